//! Scores of segments become spans: a semi-Markov conditional random field.
//!
//! A text of words is cut into segments, each a span of a type or a single word outside. The score
//! of a cut is the sum of its spans' scores (words outside score 0), and its probability is the
//! exponential of that over the sum for all cuts. So spans never overlap, the confidence of a span
//! is its marginal probability, and labels that are known in part say only which cuts are possible.
//!
//! # Source
//! Sarawagi and Cohen 2004, "Semi-Markov Conditional Random Fields for Information Extraction";
//! sums over the cuts that partial labels allow, after Tsuboi et al. 2008, "Training Conditional
//! Random Fields Using Incomplete Annotations".

/// A span of words of a type: `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) first: usize,
    pub(super) last: usize,
    /// Index of the type.
    pub(super) kind: usize,
}

/// The scores of all segments of a text, as sums of parts.
///
/// A segment `(i, j, t)` scores `start[i][t] + end[j][t] + sum of inside[i..=j][t] + pair(i, j) +
/// width[j - i]`, where `pair` is the product of row `i` of `query` and row `j` of `key`.
#[derive(Debug, Clone, Default)]
pub(super) struct Potentials {
    pub(super) n_words: usize,
    pub(super) n_types: usize,
    /// `[words, types]`, row-major; so are `inside` and `end`.
    pub(super) start: Vec<f32>,
    pub(super) inside: Vec<f32>,
    pub(super) end: Vec<f32>,
    /// `[words, pair size]`, row-major; so is `key`.
    pub(super) query: Vec<f32>,
    pub(super) key: Vec<f32>,
    /// By words of the segment less one; its length is the longest segment.
    pub(super) width: Vec<f32>,
}

/// Which segmentations the labels of a text allow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed {
    /// The labelled segments and no others.
    Exactly,
    /// The labelled segments, and any others beside them.
    AtLeast,
}

/// Log-sums over the cuts of the words before (`forward`) and after (`backward`) each border.
struct Sums {
    forward: Vec<f64>,
    backward: Vec<f64>,
}

impl Potentials {
    /// Adds to the score of every segment of a type.
    pub(super) fn add_to(&mut self, kind: usize, more: f32) {
        self.start.iter_mut().skip(kind).step_by(self.n_types).for_each(|score| *score += more);
    }

    /// The longest segment, in words.
    fn max_width(&self) -> usize {
        self.width.len()
    }

    fn pair(&self, first: usize, last: usize) -> f32 {
        let size = self.query.len() / self.n_words.max(1);
        let (query, key) = (&self.query[first * size..][..size], &self.key[last * size..][..size]);
        query.iter().zip(key).map(|(a, b)| a * b).sum()
    }

    /// Calls `visit(first, last, scores)` for every segment, `scores` by type; by last, then
    /// from the shortest.
    fn for_each(&self, mut visit: impl FnMut(usize, usize, &[f32])) {
        let n = self.n_types;
        let mut scores = vec![0f32; n];
        let mut inside = vec![0f32; n];
        for last in 0..self.n_words {
            inside.copy_from_slice(&self.end[last * n..][..n]);
            for width in 0..self.max_width().min(last + 1) {
                let first = last - width;
                let shared = self.pair(first, last) + self.width[width];
                let (word, start) = (&self.inside[first * n..][..n], &self.start[first * n..][..n]);
                for ((sum, word), (score, start)) in
                    inside.iter_mut().zip(word).zip(scores.iter_mut().zip(start))
                {
                    *sum += word;
                    *score = *sum + start + shared;
                }
                visit(first, last, &scores);
            }
        }
    }

    /// Log-sum over types of every segment: `[last][width - 1]`, of stride `max_width`.
    fn by_segment(&self) -> Vec<f64> {
        let stride = self.max_width();
        let mut sums = vec![f64::NEG_INFINITY; self.n_words * stride];
        self.for_each(|first, last, scores| {
            sums[last * stride + last - first] = log_sum_exp(scores.iter().map(|&s| f64::from(s)));
        });
        sums
    }

    fn sums(&self, segments: &[f64], outside: &[f64]) -> Sums {
        let (n, stride) = (self.n_words, self.max_width());
        let mut forward = vec![0f64; n + 1];
        for border in 1..=n {
            let widths = 1..=stride.min(border);
            forward[border] =
                log_sum_exp(std::iter::once(forward[border - 1] + outside[border - 1]).chain(
                    widths.map(|w| forward[border - w] + segments[(border - 1) * stride + w - 1]),
                ));
        }
        let mut backward = vec![0f64; n + 1];
        for border in (0..n).rev() {
            let widths = 1..=stride.min(n - border);
            backward[border] =
                log_sum_exp(std::iter::once(backward[border + 1] + outside[border]).chain(
                    widths.map(|w| {
                        backward[border + w] + segments[(border + w - 1) * stride + w - 1]
                    }),
                ));
        }
        Sums { forward, backward }
    }

    /// The most probable spans and the marginal probability of each, after dividing all scores by
    /// `temperature`; by position.
    pub(super) fn decode(&self, temperature: f32) -> Vec<(Segment, f32)> {
        let (n, stride) = (self.n_words, self.max_width());
        let mut best = vec![(f32::NEG_INFINITY, 0usize); n * stride];
        let mut sums = vec![f64::NEG_INFINITY; n * stride];
        self.for_each(|first, last, scores| {
            let at = last * stride + last - first;
            for (kind, &score) in scores.iter().enumerate() {
                if score > best[at].0 {
                    best[at] = (score, kind);
                }
            }
            sums[at] = log_sum_exp(scores.iter().map(|&s| f64::from(s / temperature)));
        });
        let sums_of = self.sums(&sums, &vec![0.0; n]);
        // The best cut: at each border, the score so far and the width of the last segment.
        let mut cut = vec![(0f32, 0usize); n + 1];
        for border in 1..=n {
            cut[border] = (cut[border - 1].0, 0);
            for width in 1..=stride.min(border) {
                let score = cut[border - width].0 + best[(border - 1) * stride + width - 1].0;
                if score > cut[border].0 {
                    cut[border] = (score, width);
                }
            }
        }
        let mut found = Vec::new();
        let mut border = n;
        while border > 0 {
            let width = cut[border].1;
            if width > 0 {
                let (score, kind) = best[(border - 1) * stride + width - 1];
                let log = sums_of.forward[border - width]
                    + f64::from(score / temperature)
                    + sums_of.backward[border]
                    - sums_of.forward[n];
                let segment = Segment { first: border - width, last: border - 1, kind };
                found.push((segment, log.exp().min(1.0) as f32));
            }
            border -= width.max(1);
        }
        found.reverse();
        found
    }

    /// Negative log-likelihood of `labels` and its gradient by every potential.
    ///
    /// `labels` do not overlap and are no longer than the longest segment.
    pub(super) fn loss(&self, labels: &[Segment], allowed: Allowed) -> (f64, Potentials) {
        let (n, stride, n_types) = (self.n_words, self.max_width(), self.n_types);
        let segments = self.by_segment();
        let outside = vec![0.0; n];
        let all = self.sums(&segments, &outside);
        let mut gradient = Potentials {
            n_words: n,
            n_types,
            start: vec![0.0; n * n_types],
            inside: vec![0.0; n * n_types],
            end: vec![0.0; n * n_types],
            query: vec![0.0; self.query.len()],
            key: vec![0.0; self.key.len()],
            width: vec![0.0; stride],
        };
        let mut wanted = Vec::new();
        let possible = match allowed {
            Allowed::Exactly => {
                let mut score = 0.0;
                for label in labels {
                    score += f64::from(self.score(label));
                    gradient.add(
                        self,
                        label.first,
                        label.last,
                        &one_hot(n_types, label.kind, -1.0),
                    );
                }
                score
            }
            Allowed::AtLeast => {
                let (mut part, mut outside) = (segments.clone(), outside);
                self.restrict(labels, &mut part, &mut outside);
                let sums = self.sums(&part, &outside);
                let total = sums.forward[n];
                wanted = vec![0.0; n * stride];
                for (at, value) in wanted.iter_mut().enumerate() {
                    let (last, width) = (at / stride, at % stride);
                    if width <= last {
                        let log = sums.forward[last - width] + part[at] + sums.backward[last + 1];
                        *value = (log - total).exp();
                    }
                }
                total
            }
        };
        let total = all.forward[n];
        let mut weights = vec![0f32; n_types];
        self.for_each(|first, last, scores| {
            let at = last * stride + last - first;
            let border = all.forward[first] + all.backward[last + 1] - total;
            let share = (border + segments[at]).exp() - wanted.get(at).copied().unwrap_or(0.0);
            if share.abs() < 1e-7 && !labels.iter().any(|l| (l.first, l.last) == (first, last)) {
                return;
            }
            for (weight, &score) in weights.iter_mut().zip(scores) {
                let log = f64::from(score) - segments[at];
                *weight = (share * log.exp()) as f32;
            }
            if let Allowed::AtLeast = allowed
                && let Some(label) = labels.iter().find(|l| (l.first, l.last) == (first, last))
            {
                // Of a labelled span, the type is known too.
                for (kind, (weight, &score)) in weights.iter_mut().zip(scores).enumerate() {
                    *weight = (border + f64::from(score)).exp() as f32;
                    *weight -= f32::from(u8::from(kind == label.kind));
                }
            }
            gradient.add(self, first, last, &weights);
        });
        gradient.close();
        (total - possible, gradient)
    }

    /// Leaves what `labels` allow: each labelled span as it is, nothing else over its words.
    fn restrict(&self, labels: &[Segment], segments: &mut [f64], outside: &mut [f64]) {
        let stride = self.max_width();
        for label in labels {
            outside[label.first..=label.last].fill(f64::NEG_INFINITY);
            for last in label.first..self.n_words.min(label.last + stride) {
                for width in 0..stride.min(last + 1) {
                    if last - width <= label.last {
                        segments[last * stride + width] = f64::NEG_INFINITY;
                    }
                }
            }
        }
        for label in labels {
            segments[label.last * stride + label.last - label.first] = f64::from(self.score(label));
        }
    }

    /// The same with every score multiplied by `factor`.
    pub(super) fn scaled(&self, factor: f32) -> Self {
        let by = |values: &[f32]| values.iter().map(|value| value * factor).collect();
        Self {
            start: by(&self.start),
            inside: by(&self.inside),
            end: by(&self.end),
            query: by(&self.query),
            key: self.key.clone(),
            width: by(&self.width),
            ..*self
        }
    }

    /// Negative log-likelihood of `labels` and no others.
    pub(super) fn log_loss(&self, labels: &[Segment]) -> f64 {
        let total = self.sums(&self.by_segment(), &vec![0.0; self.n_words]).forward[self.n_words];
        total - labels.iter().map(|label| f64::from(self.score(label))).sum::<f64>()
    }

    fn score(&self, segment: &Segment) -> f32 {
        let Segment { first, last, kind } = *segment;
        let at = |row: usize| row * self.n_types + kind;
        let inside: f32 = (first..=last).map(|word| self.inside[at(word)]).sum();
        self.start[at(first)]
            + self.end[at(last)]
            + inside
            + self.pair(first, last)
            + self.width[last - first]
    }

    /// Adds to the gradient what the score of segment `first..=last` passes on, by type.
    ///
    /// `inside` holds differences until [`close`](Self::close).
    fn add(&mut self, of: &Potentials, first: usize, last: usize, weights: &[f32]) {
        let n = self.n_types;
        let sum: f32 = weights.iter().sum();
        for (kind, &weight) in weights.iter().enumerate() {
            self.start[first * n + kind] += weight;
            self.end[last * n + kind] += weight;
            self.inside[first * n + kind] += weight;
            if last + 1 < self.n_words {
                self.inside[(last + 1) * n + kind] -= weight;
            }
        }
        self.width[last - first] += sum;
        let size = of.query.len() / of.n_words;
        for d in 0..size {
            self.query[first * size + d] += sum * of.key[last * size + d];
            self.key[last * size + d] += sum * of.query[first * size + d];
        }
    }

    /// Sums the differences of `inside` over the words.
    fn close(&mut self) {
        for at in self.n_types..self.inside.len() {
            self.inside[at] += self.inside[at - self.n_types];
        }
    }
}

fn one_hot(len: usize, index: usize, value: f32) -> Vec<f32> {
    (0..len).map(|at| if at == index { value } else { 0.0 }).collect()
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests;
