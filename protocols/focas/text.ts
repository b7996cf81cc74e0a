/**
 * Texts in the control's language → text (focas.md §9, 11). The language is read from parameter 3281 or given in the
 * YAML. Never throws: what does not fit is shown as U+FFFD.
 */

/** Names in the YAML → encodings of the platform. */
export const CODE_PAGES = {
  "western": "windows-1252", "shift-jis": "shift_jis", "gbk": "gbk", "big5": "big5", "korean": "euc-kr", "cyrillic": "windows-1251", "turkish": "windows-1254",
} as const;
export type CodePage = keyof typeof CODE_PAGES;

/** Parameter 3281 → code page. A language without a row: western. */
const LANGUAGES: readonly { readonly language: number; readonly page: CodePage; readonly source: string }[] = [
  { language: 1, page: "shift-jis", source: "§9, 11: Japanese" },
  { language: 4, page: "big5", source: "§9, 11: traditional Chinese; some sources say GB2312" },
  { language: 6, page: "korean", source: "§9, 11: Korean" },
  { language: 15, page: "gbk", source: "§9, 11: simplified Chinese" },
  { language: 16, page: "cyrillic", source: "§9, 11: Russian" },
  { language: 17, page: "turkish", source: "§9, 11: Turkish" },
];

export const pageOfLanguage = (language: number | null): CodePage => LANGUAGES.find((row) => row.language === language)?.page ?? "western";

const LONGEST = 256;

export function decodeText(bytes: Uint8Array, page: CodePage): string {
  const text = new TextDecoder(CODE_PAGES[page]).decode(bytes);
  return text.replaceAll(/\p{Cc}+/gu, " ").trim().slice(0, LONGEST);
}
