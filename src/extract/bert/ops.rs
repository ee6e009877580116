//! Operations of the heads with a backward pass.
//!
//! candle's own `LayerNorm` and `softmax_last_dim` have no backward pass and stop the gradient
//! without a word, so the encoder is trained by `train/network.rs`; here is what the heads need.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor,
};

use super::vector;

/// `x W^T + b`: rows `[n, in]`, weight `[out, in]`, bias `[out]`.
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(weight, bias, Linear)
}

/// The exact GELU (Hendrycks and Gimpel 2016).
pub(super) fn gelu(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Gelu)
}

/// The numbers of a contiguous f32 tensor.
fn slice<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&values[from..to]),
        _ => candle_core::bail!("contiguous f32 wanted"),
    }
}

/// Calls `read` with the numbers of a tensor.
pub(super) fn with<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => read(slice(storage, layout)?),
        _ => candle_core::bail!("a tensor in main memory wanted"),
    }
}

fn tensor(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), &Device::Cpu)
}

/// Sums of the columns of rows.
pub(super) fn columns_summed(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0f32; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = x_layout.shape().dims2()?;
        let m = weight_layout.shape().dims2()?.0;
        let sizes = (1, n, m, k);
        let mut out = x.matmul(weight, sizes, x_layout, &weight_layout.transpose(0, 1)?)?;
        let bias = slice(bias, bias_layout)?;
        if let CpuStorage::F32(out) = &mut out {
            for row in out.chunks_exact_mut(m) {
                row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
        Ok((out, Shape::from((n, m))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let m = weight.dim(0)?;
        let to_x = gradient.matmul(&weight.detach())?;
        let to_weight = gradient.t()?.matmul(&x.detach())?;
        let to_bias =
            with(&gradient, |rows| Tensor::from_vec(columns_summed(rows, m), m, &Device::Cpu))?;
        Ok((Some(to_x), Some(to_weight), Some(to_bias)))
    }
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = slice(x, layout)?.to_vec();
        vector::gelu(&mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut to_x = with(gradient, |gradient| Ok(gradient.to_vec()))?;
        with(x, |x| {
            vector::gelu_backward(&mut to_x, x);
            Ok(())
        })?;
        Ok(Some(tensor(to_x, x)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Compares the gradient of every argument with central differences.
    fn check(shapes: &[&[usize]], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut random = |shape: &[usize]| {
            let n = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let args: Vec<Var> =
            shapes.iter().map(|shape| Var::from_tensor(&random(shape)).unwrap()).collect();
        let plain = |args: &[Var]| args.iter().map(|a| a.as_tensor().clone()).collect::<Vec<_>>();
        let out = op(&plain(&args)).unwrap();
        let weights = random(out.dims());
        let loss = |args: &[Tensor]| {
            (op(args).unwrap() * &weights).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()
        };
        let gradients = (out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        for (index, arg) in args.iter().enumerate() {
            let found =
                gradients.get(arg).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let values = arg.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for (at, found) in found.into_iter().enumerate() {
                let moved = |by: f32| {
                    let mut values = values.clone();
                    values[at] += by;
                    let mut args = plain(&args);
                    args[index] = Tensor::from_vec(values, arg.shape(), &Device::Cpu).unwrap();
                    loss(&args)
                };
                let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((found - expected).abs() < 5e-3, "{index} {at}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_small_steps() {
        check(&[&[5, 4], &[3, 4], &[3]], |a| linear(&a[0], &a[1], &a[2]));
        check(&[&[5, 4]], |a| gelu(&a[0]));
    }
}
