//! Long texts in windows: every token is read in one window and nothing is cut.

/// How long texts are cut into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowParams {
    /// Tokens of a window without the two special ones. Default 254: with them 256, where the
    /// authors of all-MiniLM-L6-v2 cut a text.
    pub size: usize,
    /// Tokens that neighbouring windows share. Default 64: every token has at least 32 others on
    /// the side where its window ends.
    pub overlap: usize,
}

impl Default for WindowParams {
    fn default() -> Self {
        Self { size: 254, overlap: 64 }
    }
}

impl WindowParams {
    /// The default, made to fit a model of `max_positions` positions (at least 8).
    pub fn fitting(max_positions: usize) -> Self {
        let size = Self::default().size.min(max_positions - 2);
        Self { size, overlap: Self::default().overlap.min(size / 3) }
    }
}

/// A window over the tokens of a text; token indices, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First token that the encoder sees.
    pub start: usize,
    /// One past the last token that the encoder sees.
    pub end: usize,
    /// First token whose state is taken from this window.
    pub own_start: usize,
    /// One past the last token whose state is taken from this window.
    pub own_end: usize,
}

/// The windows of a text of `n_tokens` tokens; none for an empty text.
///
/// Each token is owned by exactly one window, the one in which the nearer end of the window is
/// farther away. The last window is moved back to full length instead of being short.
pub fn windows(n_tokens: usize, params: WindowParams) -> Vec<Window> {
    let size = params.size.max(1);
    let stride = size.saturating_sub(params.overlap).max(1);
    let mut windows: Vec<Window> = Vec::new();
    let mut start = 0;
    while windows.last().is_none_or(|last| last.end < n_tokens) && n_tokens > 0 {
        let end = (start + size).min(n_tokens);
        let start_full = end.saturating_sub(size);
        let own_start = match windows.last_mut() {
            Some(previous) => {
                previous.own_end = (start_full + previous.end).div_ceil(2);
                previous.own_end
            }
            None => 0,
        };
        windows.push(Window { start: start_full, end, own_start, own_end: end });
        start += stride;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n_tokens: usize, size: usize, overlap: usize) -> usize {
        let windows = windows(n_tokens, WindowParams { size, overlap });
        let mut owned = vec![0; n_tokens];
        for window in &windows {
            assert!(window.start <= window.own_start && window.own_end <= window.end);
            assert!(window.end - window.start <= size);
            owned[window.own_start..window.own_end].iter_mut().for_each(|times| *times += 1);
        }
        assert!(owned.iter().all(|&times| times == 1), "{n_tokens} {size} {overlap}: {owned:?}");
        windows.len()
    }

    #[test]
    fn owns_every_token_once() {
        for n_tokens in 0..200 {
            for (size, overlap) in [(1, 0), (2, 1), (7, 3), (10, 4), (10, 9), (64, 16)] {
                check(n_tokens, size, overlap);
            }
        }
        assert_eq!(check(0, 254, 64), 0);
        assert_eq!(check(254, 254, 64), 1);
        assert_eq!(check(255, 254, 64), 2);
        assert_eq!(check(1000, 254, 64), 5);
    }

    #[test]
    fn takes_the_window_with_most_context() {
        let windows = windows(16, WindowParams { size: 10, overlap: 4 });
        let owned: Vec<_> = windows.iter().map(|w| (w.own_start, w.own_end)).collect();
        assert_eq!(owned, [(0, 8), (8, 16)]);
    }

    #[test]
    fn fits_small_models() {
        assert_eq!(WindowParams::fitting(512), WindowParams::default());
        assert_eq!(WindowParams::fitting(34), WindowParams { size: 32, overlap: 10 });
    }
}
