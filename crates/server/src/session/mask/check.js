// Tells which of the selectors and patterns that a session is to have this browser does not understand, and why.
(given) => {
  const nothing = 'roadstead-mask';
  const isSelector = (text) => {
    const sheet = new CSSStyleSheet();
    sheet.insertRule(`${nothing} {}`);
    sheet.cssRules[0].selectorText = text;
    return sheet.cssRules[0].selectorText !== nothing;
  };
  for (const { field, selector, regex } of given) {
    if (selector !== null && !isSelector(selector)) return { field, why: 'is no CSS selector' };
    try {
      new RegExp(regex ?? '', 'g');
    } catch ({ message }) {
      return { field, why: `is no regular expression of JavaScript: ${message}` };
    }
  }
  return null;
}
