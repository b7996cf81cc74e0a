/** A text with positions: offsets of UTF-16 units to lines and columns, both counted from 1. Lines end in \n or \r\n. */

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface SourceText {
  readonly file: string;
  readonly text: string;
  place(offset: number): Place;
  /** The line's text without its end; empty past the last line. */
  line(number: number): string;
}

export function sourceText(file: string, text: string): SourceText {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return {
    file,
    text,
    place(offset) {
      const bounded = Math.min(Math.max(offset, 0), text.length);
      let low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if ((starts[middle] ?? 0) <= bounded) low = middle;
        else high = middle - 1;
      }
      return { line: low + 1, column: bounded - (starts[low] ?? 0) + 1 };
    },
    line(number) {
      const start = starts[number - 1];
      return start === undefined ? "" : text.slice(start, starts[number] ?? text.length).replace(/\r?\n$/, "");
    },
  };
}
