//! A web page as Markdown: what there is to read, without menus, sidebars and footers.

use dom_query::Document;
use dom_smoothie::{Config, Readability, TextMode};

/// How deep elements may be nested. Chromium's parser stops at 512, so only scripts get further; the time that it takes to find
/// what there is to read grows with the square of it.
const MAX_DEPTH: usize = 1_000;
/// How much HTML is looked through, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// Turns a page into Markdown. Where nothing looks like the page's point it is the whole page; where the page is beyond any
/// measure it is `text`. Takes some milliseconds a hundred kilobytes: not for a task's thread.
pub fn markdown(html: &str, url: &str, depth: usize, text: String) -> String {
    if depth > MAX_DEPTH || html.len() > MAX_BYTES {
        return text;
    }
    let config = Config { text_mode: TextMode::Markdown, ..Config::default() };
    let article = Readability::with_document(Document::from(html), Some(url), Some(config))
        .and_then(|mut readability| readability.parse());
    match article {
        Ok(article) if article.title.is_empty() => article.text_content.to_string(),
        Ok(article) => format!("# {}\n\n{}", article.title.trim(), article.text_content),
        Err(_) => Document::from(html).md(Some(&["script", "style", "noscript", "template"])).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_to_read_is_kept_and_menus_are_not() {
        let paragraph = "<p>It was a dark and stormy night, and the <b>rain</b> fell in torrents, except at intervals.</p>";
        let html = format!(
            "<!doctype html><title>Night</title><nav><a href=/a>Menu</a></nav><article><h2>One</h2>{}<a href='/next'>next</a>\
             </article><footer>Imprint</footer>",
            paragraph.repeat(8)
        );
        let found = markdown(&html, "https://example.com/night", 5, String::new());
        assert!(found.starts_with("# Night\n\n"), "{found}");
        assert!(found.contains("## One") && found.contains("the **rain** fell"), "{found}");
        assert!(found.contains("(https://example.com/next)"), "{found}");
        assert!(!found.contains("Menu") && !found.contains("Imprint"), "{found}");
    }

    #[test]
    fn a_page_with_nothing_to_read_is_there_as_a_whole() {
        let found = markdown(
            "<body><script>no()</script><i>short</i></body>",
            "https://example.com",
            3,
            String::new(),
        );
        assert!(found.contains("short") && !found.contains("no()"), "{found}");
    }

    #[test]
    fn a_page_without_measure_is_its_text() {
        assert_eq!(markdown("<p>a</p>", "https://example.com", MAX_DEPTH + 1, "a".to_owned()), "a");
    }
}
