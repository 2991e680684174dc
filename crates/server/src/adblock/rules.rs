//! Compiled filter lists, and what is asked of them.

use std::collections::HashSet;

use adblock::lists::{FilterFormat, FilterSet, ParseOptions};
use adblock::request::Request;
use adblock::{Engine, cosmetic_filter_cache::UrlSpecificResources};
use metrics::counter;
use roadstead_egress::Filter;

/// Compiled filter lists.
pub struct Rules {
    engine: Engine,
    /// Hosts that some page is excepted from the rules for. Where the page is not known nothing of them is stopped.
    excepted: HashSet<String>,
}

/// What is hidden in a page, before its own elements are looked at.
pub struct Hiding {
    /// CSS selectors.
    pub selectors: Vec<String>,
    /// Whether classes and ids of the page's elements are worth asking for, see [`Rules::hidden`].
    pub asks: bool,
    exceptions: HashSet<String>,
}

impl Rules {
    /// Compiles lists. Lines that are no rules are passed over, as every blocker does. Blocks, for a second with the usual lists.
    pub fn compile(lists: Vec<String>) -> Self {
        let mut set = FilterSet::new(false);
        let mut excepted = HashSet::new();
        for list in lists {
            excepted.extend(list.lines().filter_map(excepted_host));
            let format = if is_hosts_file(&list) { FilterFormat::Hosts } else { FilterFormat::Standard };
            set.add_filter_list(list, ParseOptions { format, ..ParseOptions::default() });
        }
        Self { engine: Engine::new_with_filter_set(set), excepted }
    }

    /// Whether a page is not to load something. `kind` is a type of the filter syntax, as in `script`.
    pub fn blocks(&self, url: &str, page: &str, kind: &str) -> bool {
        // Other schemes than those of the web have no host, and nothing on a list.
        Request::new(url, page, kind, "GET")
            .is_ok_and(|request| self.engine.check_network_request(&request).should_block())
    }

    /// Whether a page is excepted from all rules.
    pub fn excepts(&self, page: &str) -> bool {
        Request::new(page, page, "document", "GET").is_ok_and(|request| {
            self.engine.check_network_request_subset(&request, false, true).exception.is_some()
        })
    }

    /// Returns what is hidden in a page of an address.
    pub fn hiding(&self, url: &str) -> Hiding {
        let found = self.engine.url_cosmetic_resources(url);
        let UrlSpecificResources { hide_selectors, exceptions, generichide, .. } = found;
        Hiding { selectors: hide_selectors.into_iter().collect(), asks: !generichide, exceptions }
    }

    /// Returns the selectors of what is hidden among elements of these classes and ids.
    pub fn hidden(&self, classes: &[String], ids: &[String], hiding: &Hiding) -> Vec<String> {
        self.engine.hidden_class_id_selectors(classes, ids, &hiding.exceptions)
    }

    fn is_excepted(&self, url: &str) -> bool {
        let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let mut domains = std::iter::successors(Some(host.as_str()), |host| Some(host.split_once('.')?.1));
        domains.any(|domain| self.excepted.contains(domain))
    }
}

impl Filter for Rules {
    fn stops(&self, url: &str, page: Option<&str>) -> bool {
        let stops = match page {
            Some(page) => self.blocks(url, page, "other"),
            // As one of its own site, since rules for those of other sites' pages may not hold.
            None => self.blocks(url, url, "other") && !self.is_excepted(url),
        };
        if stops {
            counter!("roadstead_adblock_blocked_total", "where" => "egress").increment(1);
        }
        stops
    }
}

/// Reads the host of an exception, as in `@@||cdn.example^$domain=site.example`.
fn excepted_host(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("@@||")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(rest.len());
    Some(rest[..end].to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// Whether a list is a file of hosts: addresses to redirect to, each with a name.
fn is_hosts_file(list: &str) -> bool {
    let first =
        list.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', '!', '[']));
    let mut words = first.unwrap_or_default().split_whitespace();
    words.next().is_some_and(|word| word.parse::<std::net::IpAddr>().is_ok()) && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &str) -> Rules {
        Rules::compile(vec![list.to_owned()])
    }

    #[test]
    fn the_way_out_stops_what_is_stopped_for_every_page() {
        let rules = rules(
            "! a comment\n||ads.example^\n||others.example^$third-party\n||scripts.example^$script\n/banner/*\n\
             ||shared.example^\n@@||shared.example^$domain=shop.example\n",
        );
        for (url, page, stops) in [
            ("https://ads.example/", None, true),
            ("https://a.ads.example/", None, true),
            ("https://ads.example:8443/", None, true),
            ("https://bads.example/", None, false),
            ("https://others.example/", None, false),
            ("https://scripts.example/", None, false),
            ("https://shared.example/", None, false),
            ("https://a.shared.example/", None, false),
            ("http://shared.example/x", Some("http://other.example/"), true),
            ("http://shared.example/x", Some("http://shop.example/"), false),
            ("http://others.example/", Some("http://site.example/"), true),
            ("http://site.example/banner/1", None, true),
            ("http://site.example/", None, false),
            ("not a url", None, false),
        ] {
            assert_eq!(rules.stops(url, page), stops, "{url} {page:?}");
        }
    }

    #[test]
    fn a_page_knows_what_a_rule_is_for() {
        let rules = rules("||ads.example^$script\n/pixel.gif\n@@||trusted.example^$document\n");
        assert!(rules.blocks("https://ads.example/a.js", "https://site.example/", "script"));
        assert!(!rules.blocks("https://ads.example/a.png", "https://site.example/", "image"));
        assert!(rules.blocks("https://site.example/pixel.gif?1", "https://site.example/", "image"));
        assert!(rules.excepts("https://trusted.example/page"));
        assert!(!rules.excepts("https://site.example/"));
    }

    #[test]
    fn what_is_hidden_depends_on_the_page() {
        let rules = rules(
            "##.banner\n###top-ad\n##div[data-ad]\nnews.example##.teaser\nnews.example#@#.banner\n\
             @@||plain.example^$generichide\n",
        );
        let hidden = |url: &str| {
            let hiding = rules.hiding(url);
            let names = |name: &str| vec![name.to_owned()];
            let found = hiding.asks.then(|| rules.hidden(&names("banner"), &names("top-ad"), &hiding));
            let mut all: Vec<_> = hiding.selectors.into_iter().chain(found.into_iter().flatten()).collect();
            all.sort();
            all
        };
        assert_eq!(hidden("https://site.example/"), ["#top-ad", ".banner", "div[data-ad]"]);
        assert_eq!(hidden("https://news.example/a"), ["#top-ad", ".teaser", "div[data-ad]"]);
        assert!(!rules.hiding("https://plain.example/").asks);
    }

    #[test]
    fn a_file_of_hosts_is_a_list_too() {
        let rules = rules("# hosts\n127.0.0.1 localhost\n0.0.0.0 ads.example\n");
        assert!(rules.stops("https://ads.example/", None));
        assert!(!is_hosts_file("! title\n||a.example^\n"));
    }
}
