//! Parameters of the heads before training: fresh ones, or those of the base.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

/// Fresh parameters of the heads: uniform by fan-in (He et al. 2015), offsets and biases 0.
pub(super) fn fresh(
    shapes: Vec<(&'static str, Vec<usize>)>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<(String, Tensor)>> {
    shapes
        .into_iter()
        .map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let bound = match name {
                "span.width" => None,
                _ if name.ends_with(".weight") => Some((3.0 / shape[1] as f32).sqrt()),
                "type.offset" | "relation.offset" | "relation.distance" => Some(0.1),
                _ => None,
            };
            let mut uniform = || (rng.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
            let values: Vec<f32> = (0..n)
                .map(|_| match (bound, name) {
                    (Some(bound), _) => bound * uniform(),
                    (None, "span.width") => -2.0,
                    (None, _) => 0.0,
                })
                .collect();
            Ok((name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?))
        })
        .collect()
}

/// Takes over the heads of the base; of the tables by name, the rows of names that it knew.
///
/// `tables` are the name of a table, the names of its rows now and the names in the base.
pub(super) fn carry_over(
    fresh: &mut [(String, Tensor)],
    base: &HashMap<String, Tensor>,
    tables: &[(&str, &Vec<String>, &Vec<String>)],
) -> Result<()> {
    for (name, tensor) in fresh {
        let Some(old) = base.get(name.as_str()) else { continue };
        let Some((_, now, known)) = tables.iter().find(|(table, ..)| table == name) else {
            *tensor = old.clone();
            continue;
        };
        let width = tensor.elem_count() / now.len().max(1);
        let (mut values, old) =
            (tensor.flatten_all()?.to_vec1::<f32>()?, old.flatten_all()?.to_vec1::<f32>()?);
        for (row, name) in values.chunks_exact_mut(width.max(1)).zip(now.iter()) {
            if let Some(at) = known.iter().position(|other| other == name) {
                row.copy_from_slice(&old[at * width..][..width]);
            }
        }
        *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu)?;
    }
    Ok(())
}
