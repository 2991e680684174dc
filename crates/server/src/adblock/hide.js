// Hides elements, in a world that the page's own scripts do not see. Called once for each document.
((selectors, asks) => {
  // No page has more names than that for its own good.
  const MAX_NAMES = 50_000;
  const BATCH_MS = 50;
  const sheet = new CSSStyleSheet();
  const seen = new Set();
  let found = { classes: [], ids: [] };
  let waiting = null;
  let due = false;

  // A constructed sheet holds whatever the page's own policy for styles says. One selector for each rule: one that the browser
  // does not know spoils no other.
  const hide = (more) => {
    for (const selector of more) {
      try {
        sheet.insertRule(`${selector} { display: none !important; }`, sheet.cssRules.length);
      } catch {}
    }
    if (!document.adoptedStyleSheets.includes(sheet)) {
      document.adoptedStyleSheets.push(sheet);
    }
  };

  const answer = () => {
    due = false;
    if (waiting && (found.classes.length > 0 || found.ids.length > 0)) {
      waiting(found);
      waiting = null;
      found = { classes: [], ids: [] };
    }
  };

  const note = (kind, list, name) => {
    if (name && name.length <= 200 && seen.size < MAX_NAMES && !seen.has(kind + name)) {
      seen.add(kind + name);
      list.push(name);
    }
  };

  const look = (element) => {
    note('#', found.ids, element.id);
    for (const name of element.classList) {
      note('.', found.classes, name);
    }
  };

  const lookWithin = (element) => {
    look(element);
    for (const child of element.querySelectorAll('[class], [id]')) {
      look(child);
    }
  };

  const heed = (changes) => {
    for (const change of changes) {
      if (change.type === 'attributes') {
        look(change.target);
      }
      for (const node of change.addedNodes) {
        if (node.nodeType === Node.ELEMENT_NODE) {
          lookWithin(node);
        }
      }
    }
    if (!due) {
      due = true;
      setTimeout(answer, BATCH_MS);
    }
  };

  // Hides what was found out about, and returns the classes and ids that come up after that.
  globalThis.hideAndAsk = (more) => {
    hide(more);
    return new Promise((resolve) => {
      waiting = resolve;
      answer();
    });
  };

  hide(selectors);
  if (!asks) {
    return null;
  }
  if (document.documentElement) {
    lookWithin(document.documentElement);
  }
  new MutationObserver(heed).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ['class', 'id'],
  });
  return hideAndAsk([]);
})
