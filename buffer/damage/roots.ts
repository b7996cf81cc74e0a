/**
 * Where each table of a damaged database begins, when what says so in the file cannot be believed: a declaration with a
 * flipped bit, a first page that is torn. A place is believed when rows of the table's own shape are found below it. Asked
 * in turn: the declarations still there, the places they have in a new file, those one bit beside them, and at last, for
 * `record` alone, every page there is (bounded in time); where its topmost page is gone, what lay below it is found so.
 */
import Database from "better-sqlite3";
import type { Clock } from "../../agent/contract/time.ts";
import { PAGE_BYTES, SCHEMA } from "../ledger/schema.ts";
import { cellOf, isBlob, isText, isWhole, valuesOf, type Page, type Pages } from "./pages.ts";

/** A file of ours begins with its declarations: they lie on the first page, or on one of these. */
const FIRST_PAGES = 64;
const DEEPEST = 12;
const SCAN_MS = 2_500;
const ROOT_BITS = 16;
/** A declaration's columns: type, name, table, first page, text. */
const DECLARATION_COLUMNS = 5;

export interface Shape {
  readonly name: string;
  /** Place in a new file. */
  readonly fresh: number;
  /** By row number. */
  readonly isTable: boolean;
  /** Beside a table, for its sake. */
  readonly isIndex: boolean;
  readonly columns: readonly string[];
}
/** Where the table begins; or, for `record`, what lies below a topmost page that is gone, in order. */
export type Root = { readonly page: number } | { readonly below: readonly { readonly page: number; readonly last: number }[] };

interface Declared { readonly name: string; readonly tbl_name: string; readonly rootpage: number; readonly sql: string | null }
/** Of every table and index of ours. */
export function shapes(): readonly Shape[] {
  const ours = new Database(":memory:");
  try {
    ours.pragma(`page_size = ${PAGE_BYTES}`);
    ours.exec(SCHEMA);
    const columns = ours.prepare<[string], string>("SELECT type FROM pragma_table_info(?)").pluck();
    return ours.prepare<[], Declared>("SELECT name, tbl_name, rootpage, sql FROM sqlite_schema").all().map(({ name, rootpage, sql }) => ({
      name, fresh: rootpage, isTable: sql !== null && !sql.includes("WITHOUT ROWID"), isIndex: sql === null,
      columns: sql === null ? ["TEXT", "INTEGER"] : columns.all(name), // Indexes are those of a name, which is unique.
    }));
  } finally {
    ours.close();
  }
}

/** Of those that are found. */
export function rootsOf(pages: Pages, clock: Clock): ReadonlyMap<string, Root> {
  const all = shapes();
  const declared = declarations(pages, new Set(all.map(({ name }) => name)));
  const found = new Map<string, Root>();
  const taken = new Set<number>();
  const take = (shape: Shape, places: readonly number[]): void => {
    if (found.has(shape.name)) return;
    const free = places.filter((place) => place > 1 && !taken.has(place));
    const looks = free.map((place) => ({ place, depth: depthOf(pages, shape, place) }));
    // A page further down is of the right shape too: the topmost is what is looked for.
    const [best] = looks.filter(({ depth }) => depth !== null).sort((one, other) => (other.depth ?? 0) - (one.depth ?? 0));
    if (!best) return;
    taken.add(best.place);
    found.set(shape.name, { page: best.place });
  };
  const votes = new Map(all.map((shape) => [shape, [...new Set([...(declared.get(shape.name) ?? []), shape.fresh])]]));
  for (const [shape, places] of votes) if (places.length === 1) take(shape, places); // All agree.
  for (const [shape, places] of votes) take(shape, places);
  const record = all.find(({ name }) => name === "record");
  if (record && !found.has("record")) {
    const root = scanned(pages, record, { taken, endMono: clock.now().monoMs + SCAN_MS, clock });
    if (root) found.set("record", root);
  }
  for (const [shape, places] of votes) take(shape, places.flatMap((place) => Array.from({ length: ROOT_BITS }, (_, bit) => place ^ (1 << bit))));
  // Declared, and what is there is not to be read: that it cannot be read must be met where it is asked for.
  for (const shape of all) {
    const [place] = declared.get(shape.name) ?? [];
    if (!found.has(shape.name) && place !== undefined && place > 1 && place <= pages.count) found.set(shape.name, { page: place });
  }
  return found;
}

/** Rows that look like declarations, on any of the first pages: a name that is flipped is still told by the other. */
function declarations(pages: Pages, ours: ReadonlySet<string>): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (let number = 1; number <= Math.min(FIRST_PAGES, pages.count); number++) {
    const page = pages.page(number);
    if (!page?.isTable || !page.isLeaf) continue;
    for (const at of page.cells) {
      const cell = cellOf(page, at);
      if (cell?.types.length !== DECLARATION_COLUMNS) continue;
      const [, name, table, place] = valuesOf(page, cell);
      // An index has a name that holds its table's: only for tables are the two alike.
      const known = [name, cell.types[4] === 0 ? null : table].find((word) => typeof word === "string" && ours.has(word));
      if (typeof known === "string" && typeof place === "number") places.set(known, [...(places.get(known) ?? []), place]);
    }
  }
  return places;
}

/** How far down rows of that shape lie below a page: 0 on itself, -1 where it is an empty one; null: none do. */
function depthOf(pages: Pages, shape: Shape, root: number): number | null {
  const top = pages.page(root);
  if (!top || top.isTable !== shape.isTable) return null;
  if (top.isLeaf && top.cells.length === 0) return -1;
  // One page below may be damaged too.
  const ways = [0, -1, top.children.length >> 1];
  for (const way of ways) {
    const depth = depthOn(pages, shape, top, way);
    if (depth !== null) return depth;
  }
  return null;
}
function depthOn(pages: Pages, shape: Shape, top: Page, way: number): number | null {
  let page: Page | null = top;
  for (let depth = 0; page && page.isTable === shape.isTable && depth < DEEPEST; depth++) {
    if (page.isLeaf) return isOfShape(page, shape) ? depth : null;
    page = pages.page(page.children.at(way) ?? page.children.at(-1) ?? 0);
  }
  return null;
}
/** Judged by its first row and its last: one may be damaged. */
function isOfShape(page: Page, { columns }: Shape): boolean {
  return [page.cells[0], page.cells.at(-1)].some((at) => {
    const types = at === undefined ? undefined : cellOf(page, at)?.types;
    return types?.length === columns.length && types.every((type, index) => {
      const column = columns[index];
      return type === 0 || (column === "TEXT" ? isText(type) : column === "BLOB" ? isBlob(type) : isWhole(type));
    });
  });
}

interface Scan {
  readonly taken: ReadonlySet<number>;
  readonly clock: Clock;
  readonly endMono: number;
}
/** Two bits a page, of all: what is a page's child is no root; what is free holds what was deleted. */
function scanned(pages: Pages, shape: Shape, { taken, clock, endMono }: Scan): Root | null {
  const [OTHER, TOP] = [1, 2];
  const marks = new Uint8Array(pages.count + 1);
  const mark = (number: number, as: number): void => { if (number <= pages.count) marks[number] = (marks[number] ?? 0) | as; };
  for (const { number, page } of pages.all()) {
    if (number % 1_000 === 0 && clock.now().monoMs > endMono) break; // What was found by then is better than nothing.
    for (const child of page.children) mark(child, OTHER);
    if (page.isTable && !taken.has(number) && (!page.isLeaf || (page.cells.length > 0 && isOfShape(page, shape)))) mark(number, TOP);
  }
  for (const number of pages.free()) mark(number, OTHER);
  const tops: { readonly page: number; readonly depth: number; readonly last: number }[] = [];
  for (let number = FIRST_OF_ROWS; number <= pages.count; number++) {
    if (marks[number] !== TOP) continue;
    const page = pages.page(number);
    const [depth, last] = page ? [depthOf(pages, shape, number), lastOf(pages, page)] : [null, null];
    if (depth !== null && last !== null) tops.push({ page: number, depth, last });
    if (tops.length > MOST_BELOW) break;
  }
  const deepest = Math.max(0, ...tops.map(({ depth }) => depth));
  const below = tops.filter(({ depth }) => depth === deepest).sort((one, other) => one.last - other.last)
    .filter(({ last }, index, sorted) => index === 0 || last > (sorted[index - 1]?.last ?? 0));
  const [only] = below;
  if (!only) return null;
  return below.length === 1 ? { page: only.page } : { below };
}
const FIRST_OF_ROWS = 2;
/** More than one page can name. */
const MOST_BELOW = 1_024;

/** The highest row number below a page, as far as can be followed. */
function lastOf(pages: Pages, top: Page): number | null {
  let last: number | null = null;
  let page: Page | null = top;
  for (let depth = 0; page && depth < DEEPEST; depth++) {
    const at = page.cells.at(-1);
    last = (at === undefined ? null : cellOf(page, at)?.rowid) ?? last;
    page = page.isLeaf ? null : pages.page(page.children.at(-1) ?? 0);
  }
  return last;
}

/** A topmost page over others of one table, as SQLite writes one. As many as fit: what lay below one page does. */
export function topmost(below: readonly { readonly page: number; readonly last: number }[]): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES);
  let [end, count] = [PAGE_BYTES, 0];
  for (const { page, last } of below.slice(0, -1)) {
    const key = varintOf(last);
    if (12 + 2 * (count + 1) > end - 4 - key.length) break;
    end -= 4 + key.length;
    bytes.writeUInt32BE(page, end);
    key.copy(bytes, end + 4);
    bytes.writeUInt16BE(end, 12 + 2 * count++);
  }
  bytes.writeUInt8(0x05, 0);
  bytes.writeUInt16BE(count, 3);
  bytes.writeUInt16BE(end, 5);
  bytes.writeUInt32BE(below[count]?.page ?? 0, 8);
  return bytes;
}
function varintOf(value: number): Buffer {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) | 0x80);
  return Buffer.from(bytes);
}
