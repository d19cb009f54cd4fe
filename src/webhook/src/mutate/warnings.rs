//! What the pod's author should know though the pod is taken.

/// Most warnings about one pod. The API server shows 4 KiB of them in all.
const MAX_WARNINGS: usize = 8;
/// Most characters of one: the API server cuts them at 256 where there are many.
const MAX_CHARS: usize = 256;

/// Warnings so far: few, and none twice.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    list: Vec<String>,
    left_out: usize,
}

impl Warnings {
    pub(super) fn push(&mut self, warning: &str) {
        let warning: String = warning.chars().take(MAX_CHARS).collect();
        if self.list.contains(&warning) {
            return;
        }
        if self.list.len() == MAX_WARNINGS {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.list.push(warning);
        }
    }

    /// All of them.
    pub(super) fn finish(mut self) -> Vec<String> {
        if self.left_out > 0 {
            self.list
                .push(format!("there are {} warnings more", self.left_out));
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_few_and_none_is_there_twice() {
        let mut warnings = Warnings::default();
        for index in 0..20 {
            warnings.push(&format!("w{index}"));
            warnings.push("w0");
        }
        let list = warnings.finish();
        assert_eq!(list.len(), MAX_WARNINGS + 1);
        assert_eq!(
            list.last().map(String::as_str),
            Some("there are 12 warnings more")
        );
    }
}
