/** Documents: scanner, timestamps, errors old and new, and every recording (mtconnect.md §5, §8, §9). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeDocument, documentDecoder, type MTConnectDocument } from "../../../protocols/mtconnect/document.ts";
import { decodeTimestamp } from "../../../protocols/shared/mtconnect/timestamp.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";

const all = (id: string): string => id;
const decoded = (text: string | Uint8Array): MTConnectDocument<string> => decodeDocument(Buffer.from(text), all, "it");
const streams = (inner: string, more = ""): string => `<MTConnectStreams ${more}><Header instanceId="1" nextSequence="9" firstSequence="1" lastSequence="8"/><Streams><DeviceStream name="M"><ComponentStream><Events>${inner}</Events></ComponentStream></DeviceStream></Streams></MTConnectStreams>`;
const texts = (document: MTConnectDocument<string>): readonly string[] => (document.kind === "streams" ? document.observations.map(({ item, sequence, text }) => `${sequence} ${item} ${text}`) : [document.kind]);

describe("timestamps", () => {
  it.each([
    ["2017-10-29T02:29:43Z", "2017-10-29T02:29:43.000Z"], ["2017-10-29T02:29:43.3Z", "2017-10-29T02:29:43.300Z"],
    ["2017-10-29T02:29:43.7378Z", "2017-10-29T02:29:43.737Z"], ["2017-08-09T09:17:11.8281259Z", "2017-08-09T09:17:11.828Z"],
    ["2017-10-29T02:29:43.271206", "2017-10-29T02:29:43.271Z"], ["2016-02-29T23:59:59.999999999Z", "2016-02-29T23:59:59.999Z"],
    ["2017-10-29T02:29:43.5+02:00", "2017-10-29T00:29:43.500Z"], ["2017-10-29T02:29:43-0530", "2017-10-29T07:59:43.000Z"],
  ])("%s", (text, at) => {
    expect(new Date(decodeTimestamp(text) ?? Number.NaN).toISOString()).toBe(at);
  });
  it.each(["", "UNAVAILABLE", "2017-13-01T00:00:00Z", "2017-10-29", "2017-10-29T25:00:00Z", "2017-10-29T02:29:43.5junk", "2017-10-32T02:29:43Z", "20171029T022943Z"])("not %j", (text) => {
    expect(decodeTimestamp(text)).toBeNull();
  });
});

describe("streams", () => {
  it("orders by sequence, each once", () => {
    expect(texts(decoded(streams(`<A dataItemId="a" sequence="7">x</A><B dataItemId="b" sequence="3">y</B><A dataItemId="a" sequence="5">z</A><B dataItemId="b" sequence="3">y</B>`)))).toEqual(["3 b y", "5 a z", "7 a x"]);
  });
  it("reads any prefix, CDATA, comments, entities, instructions, byte order mark, nested children", () => {
    const text = "\ufeff<?xml version='1.0' encoding='UTF-8'?><?xml-stylesheet href=\"a>b\"?><!-- <x> -->"
      + streams("<m:A m:dataItemId='a' sequence = \"1\" note='a > b &lt;'>a&amp;b &#65;&#x42;&#xD800; --&gt;</m:A><x:B dataItemId=\"b\" sequence=\"2\"><![CDATA[<raw> & ]]>more<!-- c --> end</x:B><C dataItemId=\"c\" sequence=\"3\">t<Entry key=\"k\">v</Entry></C><D dataItemId=\"d\" sequence=\"4\"/><E dataItemId=\"e\" sequence=\"5\">AT&T &unknown; R&D</E>", "xmlns='u'").replaceAll(/<(\/?)(MTConnect|Header|Device)/gu, "<$1m:$2") + "\n<!-- end -->\n";
    expect(texts(decoded(text))).toEqual(["1 a a&b AB\ufffd -->", "2 b <raw> & more end", "3 c tv", "4 d ", "5 e AT&T &unknown; R&D"]);
  });
  it("reads Latin-1 that calls itself UTF-8, and UTF-16", () => {
    const text = streams("<A dataItemId=\"a\" sequence=\"1\">Störung</A>");
    expect(texts(decoded(Buffer.from(text, "latin1")))).toEqual(["1 a Störung"]);
    expect(texts(decoded(Buffer.from(text, "utf8")))).toEqual(["1 a Störung"]);
    expect(texts(decoded(Buffer.from(`\ufeff${text}`, "utf16le")))).toEqual(["1 a Störung"]);
  });
  it("gives the same whatever the slices", () => {
    const text = streams(Array.from({ length: 50 }, (_, index) => `<A dataItemId="a" sequence="${index}">v${index}</A>`).join("\n"));
    const counts = [1, 7, 100, 1_000_000].map((slice) => {
      const decoder = documentDecoder(Buffer.from(text), all, "it");
      let steps = 1;
      while (!decoder.step(slice)) steps += 1;
      expect(texts(decoder.result())).toEqual(texts(decoded(text)));
      return steps;
    });
    expect(counts[0]).toBeGreaterThan(50);
    expect(counts[3]).toBe(1);
  });
  it("takes a sequence of nonsense for an error, and one in the header for unknown", () => {
    expect(() => decoded(streams("<A dataItemId=\"a\" sequence=\"-4\">x</A>"))).toThrow(/sequence "-4"/u);
    expect(decoded(streams("").replace("nextSequence=\"9\"", "nextSequence=\"18446744073709551615\""))).toMatchObject({ header: { next: null } });
  });
});

describe("what is no sound document", () => {
  it.each<[string, RegExp]>([
    ["<a></b>", /root element is <a>/u], ["<MTConnectStreams><b></MTConnectStreams>", /<\/MTConnectStreams> where <\/b> is due, at character 21: 3c2f4d54/u],
    ["<MTConnectStreams>", /ends inside <MTConnectStreams>/u], ["<MTConnectStreams/><a/>", /second root/u], ["<MTConnectStreams/>x", /outside of the root/u],
    ["<MTConnectStreams a>", /without a value/u], ["<MTConnectStreams a=b/>", /without quotes/u], ["<MTConnectStreams a='b/>", /closing quote/u],
    ["<MTConnectStreams a='b'", /without its end/u], ["<MTConnectStreams / >", /inside a tag/u], ["<MTConnectStreams><!-- a </MTConnectStreams>", /a comment without its end/u],
    ["<MTConnectStreams><![CDATA[a</MTConnectStreams>", /CDATA section without its end/u], ["<?xml", /instruction without its end/u], ["", /no element/u],
    ["<!DOCTYPE MTConnectStreams [<!ENTITY a \"b\">]><MTConnectStreams/>", /DOCTYPE, which is refused/u], ["<!ELEMENT a>", /unknown declaration/u],
    [`<MTConnectStreams>${"<a>".repeat(100)}`, /more than 64 deep/u], [`<MTConnectStreams ${"a='' ".repeat(100)}/>`, /more than 64 attributes/u], ["<MTConnectStreams>< a/></MTConnectStreams>", /without a name/u],
    ["<MTConnectStreams></MTConnectStreams x>", /is due/u], ["<MTConnectStreams/>", /no Header/u],
  ])("%s", (text, message) => {
    expect(() => decoded(text)).toThrow(message);
    expect(() => decoded(text)).toThrow(/^it is not a sound MTConnect document: /u);
  });
});

describe("errors", () => {
  it("of 1.0 and 1.1: one under the root", () => {
    expect(decoded("<MTConnectError xmlns='urn:mtconnect.org:MTConnectError:1.1'><Header instanceId='7'/><Error errorCode='OUT_OF_RANGE'> too old </Error></MTConnectError>"))
      .toEqual({ kind: "errors", header: expect.objectContaining({ instance: "7" }) as unknown, errors: [{ code: "OUT_OF_RANGE", text: "too old", parameter: null, minimum: null, maximum: null }] });
  });
  it("of 1.2 to 2.5: several, with prefixes", () => {
    expect(decoded("<m:MTConnectError><m:Header/><m:Errors><m:Error errorCode='A'>x</m:Error><m:Error errorCode='b'>y</m:Error></m:Errors></m:MTConnectError>")).toMatchObject({ errors: [{ code: "A", text: "x" }, { code: "B", text: "y" }] });
  });
});

describeWithCaptures("recordings", () => {
  // The titles are made even where the recordings are absent and the tests skipped.
  const folders = existsSync(capture("mtconnect")) ? readdirSync(capture("mtconnect"), { recursive: true, encoding: "utf8" }) : [];
  const documents = folders.filter((name) => /(?:current|sample)[^/]*\.xml$/u.test(name));
  it.each(documents)("%s: as many observations as its text has", (name) => {
    const bytes = readFileSync(capture(`mtconnect/${name}`));
    const document = decodeDocument(bytes, all, name);
    if (document.kind !== "streams") throw new Error(document.kind);
    const raw = new Set([...bytes.toString("utf8").matchAll(/<[\w:]+ [^>]*\bdataItemId="[^>]*>/gu)].map(([tag]) => /sequence="(\d+)"/u.exec(tag)?.[1]));
    expect(document.observations).toHaveLength(raw.size);
    expect(document.observations.every(({ at }) => at !== null)).toBe(true);
    const { first, last, next, instance } = document.header;
    expect(instance).toMatch(/^\d+$/u);
    expect([first, last, next].every((value) => value !== null)).toBe(true);
    for (const { sequence } of document.observations) expect(sequence).toBeLessThan(next ?? 0);
  });

  const body = (name: string): Buffer => {
    const file = readFileSync(capture(`mtconnect/live-reference-agent/${name}`));
    return file.subarray(file.indexOf("\r\n\r\n") + 4);
  };
  it.each([
    ["error-from-too-old-2.7.http", [{ code: "OUT_OF_RANGE", text: "'from' must be greater than 43219", parameter: "from", minimum: 43_220, maximum: 44_244 }]],
    ["error-from-after-restart-2.7.http", [{ code: "OUT_OF_RANGE", text: "'from' must be less than 1237", parameter: "from", minimum: 212, maximum: 1_236 }]],
    ["error-no-device-2.7.http", [{ code: "NO_DEVICE", text: "Could not find the device 'nodev'", parameter: null, minimum: null, maximum: null }]],
    ["error-xpath-2.7.http", [{ code: "INVALID_XPATH", text: "The path could not be parsed. Invalid syntax: //Foo", parameter: null, minimum: null, maximum: null }]],
    ["error-uri-2.7.http", [{ code: "INVALID_URI", text: "127.0.0.1: Cannot find handler for: GET /foo/bar/baz", parameter: null, minimum: null, maximum: null }]],
  ])("%s", (name, errors) => {
    expect(decodeDocument(body(name), all, name)).toMatchObject({ kind: "errors", errors });
  });
  it("error-two-parameters-2.7.http names both", () => {
    expect(decodeDocument(body("error-two-parameters-2.7.http"), all, "it")).toMatchObject({ errors: [{ code: "INVALID_PARAMETER_VALUE", parameter: "count" }, { code: "INVALID_PARAMETER_VALUE", parameter: "from" }] });
  });
});
