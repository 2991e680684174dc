// Masks what is sensitive in one frame. Runs before the page's own scripts, in a world of its own, where nothing that a page does
// to the built-in objects is seen. What a page names its elements is: a form or a document answers with its own elements where one
// has the name of a property. So whatever is asked of an element is asked through the prototypes.
//
// Text is replaced, since it may be part of what is shown. What a form sends is not: fields are only shown differently.

/** Says how an element is shown: `disc` or `blur`. */
const MARK = 'roadstead-mask';
const BLUR = 'filter: blur(8px) !important';
const DISCS = '-webkit-text-security: disc !important';
/** How long a page may be kept from going on, the first time and whenever it has changed. What is left then is looked through in slices. */
const BUDGET_MS = 300;
const SLICE_MS = 200;
/** How often it is looked for what nothing tells of: values that scripts have set, shadow roots that came late, style sheets that went. */
const SWEEP_MS = 250;
const SWEPT_ELEMENTS = 3000;
/** How often a page may answer a change of ours with one of its own before others have their turn. */
const MAX_ROUNDS = 200;

/** What may have a shadow root besides elements of kinds of their own. */
const HOSTS = new Set(
  'article aside blockquote body div footer h1 h2 h3 h4 h5 h6 header main nav p section span'.split(' '),
);
/** Whose text is not shown, or is a value. */
const NOT_SHOWN = new Set(['script', 'style', 'noscript', 'template', 'textarea']);
const SHOWN_ATTRIBUTES = ['placeholder', 'title', 'alt', 'aria-label', 'aria-description', 'aria-valuetext', 'label'];
const FIELD_ATTRIBUTES = ['value', 'type', 'name', 'id', MARK];
const FIELDS = 'input, textarea, select';
/** Buttons say their value, the others hold nothing to be read. */
const NO_TEXT = new Set(['hidden', 'checkbox', 'radio', 'range', 'color', 'file', 'image']);
const SECRET_FIELDS = ['password', 'email', 'tel'].map((type) => `input[type=${type} i]`).concat(
  ['cc-', 'tel', 'email', 'current-password', 'new-password', 'one-time-code'].map((token) => `[autocomplete*="${token}" i]`),
);
/** What a link to a phone's number has for its text. */
const PHONE_DIGITS = /[+(]?\d[\d ()\u00a0./-]{1,30}\d/;
const SECRET_NAME = new RegExp(
  '(?<![a-z])(?:cvv2?|cvc2?|csc|ssn|iban|otp|totp|pin|pan|tel|cell|e-?mail|card)(?![a-z])' +
    '|card-?(?:no|num|nr|number|holder|exp|cvv|cvc|code)|cc-?(?:no|num|number|exp|csc|cvv|cvc)(?![a-z])|credit-?card|debit-?card' +
    '|security-?code|social-?security|account-?(?:no|num|number)|routing-?(?:no|num|number)|sort-?code|tax-?id|passw|pass-?(?:code|phrase)' +
    '|e-?mail-?(?:address)?(?![a-z])|phone|mobile-?(?:no|num|number)?(?![a-z])|api-?key|secret|(?<![a-z])(?:access|auth)-?token',
);

const getter = (prototype, name) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (object) => get.call(object);
};
const localName = getter(Element.prototype, 'localName');
const shadowOf = getter(Element.prototype, 'shadowRoot');
const parentOf = getter(Node.prototype, 'parentNode');
const isConnected = getter(Node.prototype, 'isConnected');
const isEditable = getter(HTMLElement.prototype, 'isContentEditable');
const { get: sheetsOfDocument } = Object.getOwnPropertyDescriptor(Document.prototype, 'adoptedStyleSheets');
const sheetsOf = (root) => (root === document ? sheetsOfDocument.call(document) : root.adoptedStyleSheets);
const get = (element, name) => Element.prototype.getAttribute.call(element, name);
const set = (element, name, value) => Element.prototype.setAttribute.call(element, name, value);
const closest = (element, selector) => Element.prototype.closest.call(element, selector);
const all = (root, selector) => (root === document ? Document : DocumentFragment).prototype.querySelectorAll.call(root, selector);
const walk = (root, shown) => Document.prototype.createTreeWalker.call(document, root, shown);

const masked = masker(CONFIG.patterns);
/** What was written, by text or by element and attribute: a mask may look like what it masks. */
const written = new WeakMap();
const passwords = new WeakSet();
/** The value that was put beside an option's text, since the text was it. */
const valued = new WeakMap();
/** The value that a field had when it was last looked at, and whether it was sensitive. */
const judged = new WeakMap();
const entered = new WeakSet();
let roots = [];
const sheet = new CSSStyleSheet();
/** Elements of kinds of their own that had no shadow root when they were seen. */
let rootless = [];
/** Other elements that may have got one right after they came, until they are swept over. */
let fresh = [];
let isAwaited = false;
/** Walks that have not come to their end. While there are some, nothing is shown. */
let unfinished = [];
let goesOn = false;
let rounds = 0;
let hasEdited = false;
/** The walk that looks for shadow roots nobody told of, and the root that it is in. */
let round = null;
let roundAt = 0;

/** The host that decides about selectors: a frame without an address of its own belongs to the page that made it. */
function hostname() {
  for (const origin of [self.origin, location.ancestorOrigins[0] ?? 'null']) {
    if (origin !== 'null') return new URL(origin).hostname.replace(/\.$/, '');
  }
  return '';
}

function matches(host, pattern) {
  if (!pattern.startsWith('*.')) return host === pattern;
  return host === pattern.slice(2) || host.endsWith(pattern.slice(1));
}

function rule(selector, declarations) {
  const added = sheet.cssRules[sheet.insertRule(`${MARK} { ${declarations} }`, sheet.cssRules.length)];
  // Nothing that is no selector gets in this way, and it changes nothing then.
  added.selectorText = selector;
}

function writeRules() {
  const host = hostname();
  const forHost = CONFIG.sites.filter(([pattern]) => matches(host, pattern)).flatMap(([, selectors]) => selectors);
  rule(`:is(input, textarea):is(${SECRET_FIELDS}), [${MARK}=disc]`, DISCS);
  rule(`select:is(${SECRET_FIELDS}), select[${MARK}], [${MARK}=blur]`, BLUR);
  rule(`:is(input, textarea)::placeholder`, '-webkit-text-security: none !important');
  for (const selector of [...CONFIG.selectors, ...forHost]) rule(selector, BLUR);
}

/** Shows nothing of the page, or all of it again. A blur would cost more than looking through the page. */
function hideAll(hidden) {
  const isHidden = sheet.cssRules[0].selectorText.startsWith(':root');
  // What is in the top layer is not below the root when it is drawn.
  if (hidden && !isHidden) sheet.insertRule(':root, :modal, :popover-open { opacity: 0 !important }', 0);
  if (!hidden && isHidden) sheet.deleteRule(0);
}

function adopt(root) {
  const sheets = sheetsOf(root);
  try {
    if (!sheets.includes(sheet)) sheets.push(sheet);
  } catch {
    // It has gone to another document, whose own world knows it.
  }
}

function mark(element, how) {
  if (get(element, MARK) === how) return;
  if (how === null) Element.prototype.removeAttribute.call(element, MARK);
  else set(element, MARK, how);
}

function looksSecret(field) {
  return ['name', 'id', 'placeholder', 'aria-label'].some((name) => {
    const words = (get(field, name) ?? '').replace(/([a-z\d])([A-Z])/g, '$1-$2').replace(/[^A-Za-z\d]+/g, '-');
    return SECRET_NAME.test(words.toLowerCase());
  });
}

function isSensitive(field) {
  const { value } = field;
  const before = judged.get(field);
  if (before?.value === value) return before.sensitive;
  const sensitive = masked(value) !== value;
  judged.set(field, { value, sensitive });
  return sensitive;
}

function maskField(field) {
  const { type } = field;
  if (NO_TEXT.has(type)) return mark(field, null);
  // A page that shows a password on demand makes it another kind of field.
  if (type === 'password') passwords.add(field);
  const isButton = type === 'submit' || type === 'button' || type === 'reset';
  if (!isButton && (passwords.has(field) || looksSecret(field))) mark(field, 'disc');
  else mark(field, localName(field) !== 'select' && isSensitive(field) ? 'blur' : null);
}

function write(node, text) {
  written.set(node, text);
  node.data = text;
}

/** The text of an option without a value is its value, which must stay. */
function maskOption(option) {
  const value = get(option, 'value');
  const isOurs = value !== null && value === valued.get(option);
  const { text } = option;
  const nodes = [...option.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  const fresh = nodes.filter((node) => written.get(node) !== node.data && masked(node.data) !== node.data);
  for (const node of fresh) write(node, masked(node.data));
  if (fresh.length > 0 && (value === null || isOurs)) {
    valued.set(option, text);
    set(option, 'value', text);
  } else if (isOurs && !nodes.some((node) => written.get(node) === node.data)) {
    Element.prototype.removeAttribute.call(option, 'value');
  }
}

const isEdited = (element) => element instanceof HTMLElement && isEditable(element);

/** What is edited is not rewritten under the hands of who writes it: it is blurred, from where it begins. */
function blurEdited(element) {
  let host = element;
  for (let up = host; isEdited(up); up = parentOf(up)) host = up;
  hasEdited = true;
  mark(host, masked(host.textContent) === host.textContent ? null : 'blur');
}

function maskText(node) {
  const parent = parentOf(node);
  const name = parent instanceof Element ? localName(parent) : '';
  const { data } = node;
  if (NOT_SHOWN.has(name) || data.length < 2 || written.get(node) === data) return;
  if (name === 'option') return maskOption(parent);
  let text = masked(data);
  if (text === data && PHONE_DIGITS.test(data) && name !== '' && closest(parent, 'a[href^="tel:" i]') !== null) {
    text = data.replace(PHONE_DIGITS, MASK);
  }
  if (text === data && !hasEdited) return;
  if (isEdited(parent)) blurEdited(parent);
  else if (text !== data) write(node, text);
}

function maskAttribute(element, name) {
  const value = get(element, name);
  if (value === null || value.length < 2) return;
  const before = written.get(element) ?? {};
  if (before[name] === value) return;
  const replaced = masked(value);
  if (replaced === value) return;
  written.set(element, { ...before, [name]: replaced });
  set(element, name, replaced);
}

function maskElement(element) {
  if (Element.prototype.hasAttributes.call(element)) {
    for (const name of SHOWN_ATTRIBUTES) maskAttribute(element, name);
  }
  const name = localName(element);
  if (name === 'input' || name === 'textarea' || name === 'select') maskField(element);
  const shadow = shadowOf(element);
  if (shadow !== null) enter(shadow);
  else if (name.includes('-')) rootless.push(new WeakRef(element));
  else if (HOSTS.has(name)) fresh.push(element);
}

const visit = (node) => (node.nodeType === Node.TEXT_NODE ? maskText(node) : node.nodeType === Node.ELEMENT_NODE && maskElement(node));

/** Visits what is below a node until `deadline`. Returns whether that was all. */
function finish(walker, deadline, seen) {
  for (let count = 1; walker.currentNode !== null; count++) {
    visit(walker.currentNode);
    seen?.add(walker.currentNode);
    if (walker.nextNode() === null) return true;
    if (count % 64 === 0 && performance.now() > deadline) return false;
  }
  return true;
}

function look(node, deadline, seen) {
  const walker = walk(node, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  if (performance.now() > deadline || !finish(walker, deadline, seen)) unfinished.push(walker);
}

function enter(root) {
  if (entered.has(root)) return;
  entered.add(root);
  roots.push(new WeakRef(root));
  observer.observe(root, OBSERVED);
  adopt(root);
  look(root, performance.now() + BUDGET_MS);
}

/** Goes on with what was too much for once. */
function goOn() {
  goesOn = false;
  const deadline = performance.now() + SLICE_MS;
  while (unfinished.length > 0 && performance.now() < deadline) {
    if (finish(unfinished.at(-1), deadline)) unfinished.pop();
  }
  settle();
}

function settle() {
  hideAll(unfinished.length > 0);
  if (unfinished.length === 0 || goesOn) return;
  goesOn = true;
  setTimeout(goOn);
}

function heedAttribute(element, name) {
  maskElement(element);
  // Who edits something may take the mark away as well.
  if (name === MARK && hasEdited && isEdited(element)) blurEdited(element);
}

/** Enters the shadow roots that elements have got since they were seen. */
function enterLate() {
  rootless = rootless.filter((reference) => {
    const element = reference.deref();
    const shadow = element === undefined ? null : shadowOf(element);
    if (shadow !== null) enter(shadow);
    return element !== undefined && shadow === null && isConnected(element);
  });
  // Those that are entered may bring others.
  for (let at = 0; at < fresh.length; at++) {
    const shadow = shadowOf(fresh[at]);
    if (shadow !== null) enter(shadow);
  }
}

function lookAgain() {
  for (const reference of roots) {
    const root = reference.deref();
    if (root === undefined) continue;
    adopt(root);
    for (const field of all(root, FIELDS)) maskField(field);
  }
  enterLate();
  settle();
}

/** Looks again right before the page is drawn: whoever changes a page often does what nothing tells of in the same breath. */
function awaitDrawing() {
  if (isAwaited) return;
  isAwaited = true;
  requestAnimationFrame(() => {
    isAwaited = false;
    lookAgain();
  });
}

function heed(records) {
  if (rounds === 0) setTimeout(() => (rounds = 0));
  rounds += 1;
  const isFought = rounds > MAX_ROUNDS;
  const deadline = isFought ? 0 : performance.now() + BUDGET_MS;
  const seen = new Set();
  for (const { type, target, attributeName, addedNodes } of records) {
    if (type === 'attributes' && !isFought) heedAttribute(target, attributeName);
    else for (const node of type === 'childList' ? addedNodes : [target]) {
      if (isConnected(node) && !seen.has(node)) look(node, deadline, seen);
    }
  }
  adopt(document);
  awaitDrawing();
  settle();
}

function heedEvent(event) {
  const [target] = event.composedPath();
  if (target instanceof Element && ['input', 'textarea', 'select'].includes(localName(target))) maskField(target);
}

/** A document that is opened anew forgets who listens. */
function listen() {
  for (const name of ['input', 'change', 'selectionchange', 'focusin']) {
    addEventListener(name, heedEvent, { capture: true, passive: true });
  }
}

function findRoots(known) {
  for (let count = 0; count < SWEPT_ELEMENTS; count++) {
    const node = round?.nextNode() ?? null;
    if (node === null) {
      roundAt = (roundAt + 1) % known.length;
      round = walk(known[roundAt], NodeFilter.SHOW_ELEMENT);
      return;
    }
    const shadow = shadowOf(node);
    if (shadow !== null) enter(shadow);
  }
}

function sweep() {
  listen();
  lookAgain();
  fresh = [];
  roots = roots.filter((reference) => reference.deref() !== undefined);
  findRoots(roots.map((reference) => reference.deref()));
}

const OBSERVED = {
  subtree: true,
  childList: true,
  characterData: true,
  attributes: true,
  attributeFilter: [...SHOWN_ATTRIBUTES, ...FIELD_ATTRIBUTES],
};
const observer = new MutationObserver(heed);

writeRules();
listen();
enter(document);
awaitDrawing();
settle();
setInterval(sweep, SWEEP_MS);
