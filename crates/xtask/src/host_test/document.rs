//! The lines of a document that a shell is to run, heading by heading.

use std::path::Path;

use testbed::error::{Result, TestbedError};

/// A Markdown file.
#[derive(Debug)]
pub struct Document {
    name: String,
    text: String,
}

impl Document {
    /// Reads a file of the checkout.
    pub fn read(checkout: &Path, name: &str) -> Result<Self> {
        let path = checkout.join(name);
        let text = std::fs::read_to_string(&path).map_err(|cause| TestbedError::io("cannot read", &path, &cause))?;
        Ok(Self { name: name.to_owned(), text })
    }

    /// All lines between fences of `sh` below this heading; an error where there are none.
    pub fn lines_below(&self, heading: &str) -> Result<String> {
        let (mut below, mut inside, mut found) = (false, false, String::new());
        for line in self.text.lines() {
            match line {
                "```sh" if below => inside = true,
                "```" => inside = false,
                _ if inside => found.extend([line, "\n"]),
                _ => {
                    if let Some(title) = line.strip_prefix("## ") {
                        below = title == heading;
                    }
                }
            }
        }
        match found.is_empty() {
            true => Err(TestbedError::new(format!("{} has no lines for a shell below `{heading}`", self.name))),
            false => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn lines_of_a_shell_are_found_below_their_heading() {
        let text = "# A\n```sh\nno\n```\n## One\n```sh\na\n## no heading\n```\nb\n```json\n{}\n```\n```sh\nc\n```\n## Two\n```sh\nd\n```\n";
        let document = Document { name: "a.md".to_owned(), text: text.to_owned() };
        assert_eq!(document.lines_below("One").unwrap(), "a\n## no heading\nc\n");
        assert_eq!(document.lines_below("Two").unwrap(), "d\n");
        document.lines_below("A").unwrap_err();
    }
}
