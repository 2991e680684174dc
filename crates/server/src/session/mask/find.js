// What is sensitive in a text. Nothing here touches a page.
//
// Every repetition is bounded, so that no text takes long. What is found by its shape alone must have a shape that dates,
// prices and numbers of orders do not have; what is less certain needs a word before it that says what it is.

const MASK = '****';
/** Without one of these in it, a text holds nothing of the kinds below. */
const ANY_KIND = /[@\d]/;
/** What may not stand right before or after a number that is taken for a phone's. */
const ALONE = ['(?<![\\p{L}\\p{N}_+$€£.,/-])', '(?![\\p{L}\\p{N}_-]|[.,/]\\d)'];

const digits = (text) => text.replace(/\D/g, '');
const alone = (shape) => new RegExp(ALONE[0] + shape + ALONE[1], 'gu');

const EMAIL = /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+'-]{1,64}@(?:[\p{L}\p{N}][\p{L}\p{N}-]{0,62}\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}-])/gu;

const INTERNATIONAL_PHONE = /(?<![\p{L}\p{N}_+.,/-])\+[1-9](?:[ \u00a0.\-/()]{0,2}\d){7,14}(?!\d)/gu;
/** North America: 415-555-2671, (415) 555-2671, 1 415 555 2671. */
const AMERICAN_PHONE = alone(
  '(?:1[ \\u00a0.-])?(?:\\(\\d{3}\\)[ \\u00a0-]?\\d{3}[ \\u00a0.-]\\d{4}|\\d{3}-\\d{3}-\\d{4}|[2-9]\\d{2}(?:\\.[2-9]\\d{2}\\.|[ \\u00a0][2-9]\\d{2}[ \\u00a0])\\d{4})',
);
/** With the zero, or two, that elsewhere stand for leaving the town or the country: 01 23 45 67 89, 020 7946 0958, (030) 1234567. */
const ZERO_PHONE = alone(
  '(?:0[1-9](?:[ \\u00a0.-]\\d{2}){4}|0[1-9]\\d{1,3}[ \\u00a0]\\d{3,4}[ \\u00a0]\\d{3,4}|\\(?0[1-9]\\d{1,4}\\)?[ \\u00a0/]{1,3}\\d{4,8}(?:[ \\u00a0-]\\d{1,4})?|0[1-9]\\d{2,4}-\\d{5,8}|00[1-9]\\d{0,2}(?:[ \\u00a0]\\d{2,8}){2,5})',
);
const NAMED_PHONE = /(?<!\p{L})(?:telephone|telefon|phone|tel|mobile|mobil|fax|whatsapp|☎|📞)(?: ?(?:number|no|nr))?[.:\s]{1,4}([+(]?\d[\d ()\u00a0./-]{5,22}\d)(?![\p{L}\p{N}])/dgiu;
const DATE = /\d{4}-\d\d-\d\d|(?<!\d)\d{1,2}([./-])\d{1,2}\1\d{2,4}(?!\d|[./-]\d)/;

/** Tells thousands, written in groups, from a phone: +12.345.678. */
const isAmount = (text) => digits(text).length <= 9 && /^\+\d{1,3}([ \u00a0.])\d{3}(?:\1\d{3})*$/.test(text);
const isLong = (text, least, most) => digits(text).length >= least && digits(text).length <= most;

const isInternational = (text) => !isAmount(text) && (digits(text).length >= 10 || /\D/.test(text.slice(1)));

/** Digits in groups, of which some may be a card's. */
const DIGITS = /(?<![\p{L}\p{N}_])(?<!\d[.,])\d{4,40}(?:[ \u00a0-]\d{2,40}){0,8}(?![\p{L}\p{N}_])/gu;
const ISSUERS = [
  [/^4/, [16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:6011|64[4-9]|65|62|50|5[6-9]|6[3789])/, [16, 17, 18, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 17, 18, 19]],
  [/^3(?:0[0-5]|[689])/, [14]],
];

function passesLuhn(number) {
  let sum = 0;
  for (let at = 0; at < number.length; at++) {
    const digit = Number(number[number.length - 1 - at]);
    sum += at % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}

/** The length, in `run`, of a card's number that begins where `run` does and ends with a group of digits, or 0. */
function cardLength(run) {
  const number = digits(run);
  const lengths = ISSUERS.find(([prefix]) => prefix.test(number))?.[1] ?? [];
  for (const length of [...lengths].reverse()) {
    let end = 0;
    for (let seen = 0; seen < length && end < run.length; end++) seen += /\d/.test(run[end]) ? 1 : 0;
    const whole = number.length >= length && !/\d/.test(run[end] ?? '');
    if (whole && passesLuhn(number.slice(0, length))) return end;
  }
  return 0;
}

/** Where the numbers of cards are in a run of digits. Each begins with a group: another number may stand before it. */
function cards(run) {
  const found = [];
  for (let at = 0; at < run.length; at++) {
    if (at > 0 && /\d/.test(run[at - 1])) continue;
    const length = /\d/.test(run[at]) ? cardLength(run.slice(at)) : 0;
    if (length > 0) {
      found.push([at, at + length]);
      at += length;
    }
  }
  return found;
}

const JWT = /(?<![\w-])eyJ[\w-]{5,8000}\.[\w-]{5,8000}(?:\.[\w-]{0,8000}){1,3}/g;
const BEARER = /(?<!\p{L})bearer\s{1,4}([\w.~+/=-]{12,4096})/dgiu;
/** Keys whose makers gave them a beginning to be known by. */
const KNOWN_KEY =
  /(?<![A-Za-z0-9])(?:sk-[\w-]{16,300}|[spr]k_(?:live|test)_\w{10,300}|gh[pousr]_\w{20,300}|github_pat_\w{20,300}|glpat-[\w-]{16,300}|xox[abeprs]-[\w-]{10,300}|A(?:KIA|SIA)[0-9A-Z]{16}(?![0-9A-Za-z])|AIza[\w-]{35}|ya29\.[\w-]{20,2000}|npm_\w{30,100}|pypi-[\w-]{30,300}|hf_[A-Za-z0-9]{30,100}|SG\.[\w-]{16,64}\.[\w-]{16,128}|shp(?:at|ca|pa|ss)_\w{20,100}|dop_v1_\w{40,100}|whsec_[\w+/=]{16,200})/g;
const PRIVATE_KEY = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----)){0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g;
const NAMED_SECRET =
  /(?<!\p{L})(?:api[\s_-]?key|access[\s_-]?key|private[\s_-]?key|(?:client|app|shared|api|webhook)?[\s_-]?secret(?:[\s_-]?access)?(?:[\s_-]?key)?|(?:access|auth|refresh|session|id|api|bot|csrf)?[\s_-]?token|credential|password|passwd|authorization)s?["'\]]{0,2}(?:\s{0,4}[:=]{1,2}|\s{1,4}is\s|\s)\s{0,4}["'(]?([\w+/=.~-]{16,4096})/dgiu;

const isKey = (text) => /\d/.test(text);

/** Tells what a machine has drawn from words, paths and versions. */
function isDrawn(text) {
  const count = (kind) => text.match(kind)?.length ?? 0;
  const [numbers, letters] = [count(/\d/g), count(/[a-z]/gi)];
  if (numbers < 1 || letters < 2 || text.startsWith('/') || text.includes('//')) return false;
  if (/^[0-9a-f-]+$/i.test(text)) return numbers > 1;
  const mixed = count(/[a-z]/g) > 1 && count(/[A-Z]/g) > 1;
  return new Set(text).size >= 10 && (mixed || numbers * 6 >= text.length);
}

/** Each kind: its shape, and what else must be true of what has it. A group in the shape is what is masked. */
const KINDS = [
  { shape: PRIVATE_KEY },
  { shape: JWT },
  { shape: KNOWN_KEY, accept: isKey },
  { shape: BEARER, accept: isKey },
  { shape: NAMED_SECRET, accept: isDrawn },
  { shape: EMAIL, needs: '@' },
  { shape: DIGITS, within: cards },
  { shape: INTERNATIONAL_PHONE, needs: '+', accept: isInternational },
  { shape: AMERICAN_PHONE },
  { shape: ZERO_PHONE, accept: (text) => isLong(text, 9, 15) && !DATE.test(text) },
  { shape: NAMED_PHONE, accept: (text) => isLong(text, 7, 15) && !DATE.test(text) },
];

/** Where one kind is in a text, as [start, end, mask]. */
function* places(text, { shape, needs = '', accept = () => true, within = (found) => [[0, found.length]], mask = MASK }) {
  if (!text.includes(needs)) return;
  for (const match of text.matchAll(shape)) {
    const [start, end] = match.indices?.[1] ?? [match.index, match.index + match[0].length];
    const found = text.slice(start, end);
    if (found === '' || !accept(found)) continue;
    for (const [from, to] of within(found)) yield [start + from, start + to, mask];
  }
}

/** Returns a function that takes a text and returns it masked; the same text when nothing in it is sensitive. */
function masker(patterns) {
  const own = [];
  for (const { regex, mask } of patterns) {
    try {
      own.push({ shape: new RegExp(regex, 'g'), mask });
    } catch {
      // The session would not have started with it. Whatever this is, the other patterns go on.
    }
  }
  return (text) => {
    const kinds = ANY_KIND.test(text) ? [...own, ...KINDS] : own;
    const found = kinds.flatMap((kind) => [...places(text, kind)]);
    if (found.length === 0) return text;
    // Of what overlaps all is masked, as the one says that begins first; among those, the caller's own.
    found.sort(([one], [other]) => one - other);
    let [masked, end] = ['', 0];
    for (const [from, to, mask] of found) {
      if (from >= end) masked += text.slice(end, from) + mask;
      end = Math.max(end, to);
    }
    return masked + text.slice(end);
  };
}
