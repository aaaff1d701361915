//! As much of Markdown as the checks of the documents need: links, code in backticks, headings, and
//! the lines of fenced blocks, each with its line number.

/// What one document holds that can be right or wrong.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Document {
    /// The targets of `[text](target)`.
    pub links: Vec<(usize, String)>,
    /// What stands in single backticks outside of fenced blocks.
    pub code: Vec<(usize, String)>,
    /// The anchors that its headings make.
    pub anchors: Vec<String>,
    /// The lines of fenced blocks, with the block's language.
    pub fenced: Vec<FencedLine>,
}

/// One line of a fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FencedLine {
    pub number: usize,
    pub language: String,
    pub text: String,
}

/// Reads one document.
pub fn parse(text: &str) -> Document {
    let mut document = Document::default();
    let mut fence = None::<(String, String)>;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        if let Some((marker, language)) = &fence {
            if trimmed.starts_with(marker.as_str()) && trimmed.trim_end() == marker {
                fence = None;
            } else {
                document.fenced.push(FencedLine {
                    number,
                    language: language.clone(),
                    text: line.to_owned(),
                });
            }
        } else if let Some((marker, language)) = opening_fence(trimmed) {
            fence = Some((marker, language));
        } else {
            if line.starts_with('#') {
                document.anchors.push(anchor(line.trim_start_matches('#')));
            }
            inline(number, line, &mut document);
        }
    }
    document
}

fn opening_fence(line: &str) -> Option<(String, String)> {
    let n_ticks = line.chars().take_while(|c| *c == '`').count();
    if n_ticks < 3 {
        return None;
    }
    let info = line.trim_start_matches('`').trim();
    let language = info.split([' ', ',', '{']).next().unwrap_or_default();
    Some(("`".repeat(n_ticks), language.to_owned()))
}

/// The links and the code of one line. A link inside backticks is code.
fn inline(number: usize, line: &str, document: &mut Document) {
    // Odd pieces between backticks are code; the last piece is not, if its backtick never closes.
    let pieces: Vec<&str> = line.split('`').collect();
    let mut prose = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index % 2 == 1 && index + 1 < pieces.len() {
            document.code.push((number, (*piece).to_owned()));
            prose.push('`');
        } else {
            prose.push_str(piece);
        }
    }
    let mut rest = prose.as_str();
    while let Some((_, after)) = rest.split_once("](") {
        let Some((target, after)) = after.split_once(')') else { break };
        let target = target.split_whitespace().next().unwrap_or_default();
        document.links.push((number, target.trim_matches(['<', '>']).to_owned()));
        rest = after;
    }
}

/// The anchor of a heading, as the web views and mdbook make it.
pub fn anchor(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}
