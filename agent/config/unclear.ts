/**
 * Plain YAML words that programs read differently: `0123` is 123, 83 or a text; `1e3` a number or a program name;
 * `yes` a text or true; `2025-12-24` a text or a time. A number is taken only when it can be read in one way; the rest
 * is an error that asks for quotes. Words and dates are errors only where an identity is named.
 */
import type { ScalarTag } from "yaml";

const WHOLE = /^[-+]?(?:0|[1-9][0-9]*)$/;
const FRACTION = /^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+$/;

/** The only plain texts that become numbers. */
export const NUMBER_TAGS: readonly ScalarTag[] = [
  { tag: "tag:yaml.org,2002:int", default: true, test: WHOLE, resolve: Number },
  { tag: "tag:yaml.org,2002:float", default: true, test: FRACTION, resolve: Number },
];

interface Unclear {
  readonly test: RegExp;
  readonly found: string;
  /** True: only where an identity is named. */
  readonly identityOnly: boolean;
}

/** Sources: YAML 1.1 type repository (bool, int, float, timestamp) and YAML 1.2.2 §10.3, where they differ. */
const UNCLEAR: readonly Unclear[] = [
  { test: /^[-+]?0[0-9_]+$/, found: "a number with a leading zero, which programs read differently", identityOnly: false },
  { test: /^[-+]?0[xX][0-9a-fA-F_]+$/, found: "a hexadecimal number, which programs read differently", identityOnly: false },
  { test: /^[-+]?0[oObB][0-7_]+$/, found: "an octal or binary number, which programs read differently", identityOnly: false },
  { test: /^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$/, found: "a number with an exponent, which programs read differently", identityOnly: false },
  { test: /^[-+]?[0-9][0-9]*(?:_[0-9]+)+(?:\.[0-9_]*)?$/, found: "a number with underscores, which programs read differently", identityOnly: false },
  { test: /^[-+]?(?:\.[0-9]+|[0-9]+\.)$/, found: "a number with nothing on one side of the point, which programs read differently", identityOnly: false },
  { test: /^[-+]?0[0-9]+\.[0-9]*$/, found: "a number with a leading zero, which programs read differently", identityOnly: false },
  { test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/, found: "a number without a value, which programs read differently", identityOnly: false },
  { test: /^(?:y|n|yes|no|on|off|true|false)$/i, found: "a word that some programs read as true or false", identityOnly: true },
  { test: /^(?:null|~)$/i, found: "a word that means nothing at all", identityOnly: true },
  { test: /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}/, found: "a text that some programs read as a date", identityOnly: true },
  { test: /^[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?$/, found: "a text that some programs read as a time or a number to base 60", identityOnly: true },
];

/** Keys whose value names something: there even words must be read the same by everyone. */
const IDENTITY_KEYS: ReadonlySet<string | number | undefined> = new Set([
  "id", "name", "code", "enterprise", "site", "area", "cell", "work_center", "device", "username", "shifts", "match",
]);

/** As word processors write quotes: to YAML they are letters of the text. */
const TYPOGRAPHIC = /^[\u201c-\u201f\u2018-\u201b\u00ab\u00bb]/;

/** What is unclear about a plain scalar's source text and what would be clear; null when everyone reads it the same. */
export function unclear(source: string, key: string | number | undefined): { readonly found: string; readonly expected: string } | null {
  if (TYPOGRAPHIC.test(source)) return { found: `typographic quotes (${source.slice(0, 1)}), which YAML takes for letters of the text`, expected: 'straight quotes (") around it, or none' };
  const identity = IDENTITY_KEYS.has(key);
  for (const { test, found, identityOnly } of UNCLEAR) {
    if ((!identity && identityOnly) || !test.test(source)) continue;
    const shown = source.slice(0, 60);
    return { found: `${shown}, ${found}`, expected: `quotes around it, "${shown}"${identity ? "" : ", where a text is meant; the plain number where a number is meant"}` };
  }
  return null;
}

const REFERENCE = /\$\{[^}\s]{1,100}\}/;

/** What is written as if the environment were put in here. Null: nothing. */
export function reference(text: string): { readonly found: string; readonly expected: string } | null {
  const [found] = REFERENCE.exec(text) ?? [];
  return found === undefined ? null : { found: `${found}, which nothing replaces`, expected: "the value itself; a password by reference: {env: NAME}, {file: PATH} or {credential: NAME}" };
}
