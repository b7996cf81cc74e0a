/**
 * The XPath that clients of an agent really send in `path`: steps with / and //, a name or *, predicates over attributes
 * with and, or, not(), contains(), starts-with(), = and !=, and alternatives with |. It selects elements of the device
 * tree; a DataItem stands for itself, anything else for all DataItems below it. Anything else is refused, as an agent
 * refuses what it cannot parse (mtconnect.md §2).
 */
import type { Model } from "./model.ts";
import { descendants, type XmlElement } from "./xml.ts";

type Test = (element: XmlElement) => boolean;
interface Step {
  readonly deep: boolean;
  readonly name: string;
  readonly test: Test;
}

/** Marks per item index; null when the path cannot be parsed or selects nothing. */
export function selectItems(model: Model, path: string): Uint8Array | null {
  const selected = new Uint8Array(model.items.length);
  let hits = 0;
  for (const alternative of splitAlternatives(path)) {
    const steps = parseSteps(alternative.trim());
    if (steps === null) return null;
    for (const element of walk(model, steps)) {
      for (const candidate of [element, ...descendants(element)]) {
        const item = model.itemOf.get(candidate);
        if (item !== undefined && selected[item.index] === 0) {
          selected[item.index] = 1;
          hits++;
        }
      }
    }
  }
  return hits === 0 ? null : selected;
}

function walk(model: Model, steps: readonly Step[]): Iterable<XmlElement> {
  const devices: XmlElement = { name: "Devices", local: "Devices", attributes: new Map(), children: model.devices.map((device) => device.element), text: "" };
  const root: XmlElement = { name: "MTConnectDevices", local: "MTConnectDevices", attributes: new Map(), children: [devices], text: "" };
  let current = new Set<XmlElement>([{ name: "", local: "", attributes: new Map(), children: [root], text: "" }]);
  for (const step of steps) {
    const next = new Set<XmlElement>();
    for (const element of current) {
      for (const candidate of step.deep ? descendants(element) : element.children) {
        if ((step.name === "*" || candidate.local === step.name) && step.test(candidate)) next.add(candidate);
      }
    }
    current = next;
  }
  return current;
}

/** Splits at | outside of brackets and quotes. */
function splitAlternatives(path: string): string[] {
  return path.match(/(?:"[^"]*"|'[^']*'|\[(?:"[^"]*"|'[^']*'|[^\]"'])*\]|[^|])+/gu) ?? [];
}

function parseSteps(path: string): Step[] | null {
  const steps: Step[] = [];
  const pattern = /(\/\/|\/)([A-Za-z_][\w.-]*|\*)((?:\[(?:"[^"]*"|'[^']*'|[^\]"'])*\])*)/uy;
  while (pattern.lastIndex < path.length) {
    const match = pattern.exec(path);
    if (match === null) return null;
    const [, separator, name = "", predicates = ""] = match;
    const tests = (predicates.match(/\[(?:"[^"]*"|'[^']*'|[^\]"'])*\]/gu) ?? []).map((text) => parsePredicate(text.slice(1, -1)));
    const usable = tests.filter((test) => test !== null);
    if (usable.length !== tests.length) return null;
    steps.push({ deep: separator === "//", name, test: (element) => usable.every((test) => test(element)) });
  }
  return steps.length === 0 ? null : steps;
}

/** or ← and ← not(…) | (…) | comparison. */
function parsePredicate(text: string): Test | null {
  const tokens = text.match(/"[^"]*"|'[^']*'|!=|[()=,@]|[\w:.-]+|\S/gu) ?? [];
  let at = 0;
  const take = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const attribute = (): string | null => (take("@") ? tokens[at++] ?? null : null);
  const literal = (): string | null => {
    const token = tokens[at++] ?? "";
    return /^["']/u.test(token) ? token.slice(1, -1) : null;
  };
  const call = (compare: (value: string, wanted: string) => boolean): Test | null => {
    const name = take("(") ? attribute() : null;
    const wanted = take(",") ? literal() : null;
    return name !== null && wanted !== null && take(")") ? (element) => compare(element.attributes.get(name) ?? "", wanted) : null;
  };
  const single = (): Test | null => {
    if (take("(")) {
      const inner = either();
      return take(")") ? inner : null;
    }
    if (take("not")) {
      const inner = take("(") ? either() : null;
      return inner !== null && take(")") ? (element) => !inner(element) : null;
    }
    if (take("contains")) return call((value, wanted) => value.includes(wanted));
    if (take("starts-with")) return call((value, wanted) => value.startsWith(wanted));
    const name = attribute();
    if (name === null) return null;
    const differs = tokens[at] === "!=";
    if (!differs && tokens[at] !== "=") return (element) => element.attributes.has(name);
    at++;
    const wanted = literal();
    return wanted === null ? null : (element) => element.attributes.has(name) && (element.attributes.get(name) === wanted) !== differs;
  };
  const both = (): Test | null => chain("and", single, (left, right) => (element) => left(element) && right(element));
  const either = (): Test | null => chain("or", both, (left, right) => (element) => left(element) || right(element));
  const chain = (word: string, operand: () => Test | null, join: (left: Test, right: Test) => Test): Test | null => {
    let left = operand();
    while (left !== null && take(word)) {
      const right = operand();
      left = right === null ? null : join(left, right);
    }
    return left;
  };
  const test = either();
  return at === tokens.length ? test : null;
}
