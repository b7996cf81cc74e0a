/** Addresses as technicians write them: what cannot be connected to is told by `check`, not by an agent that waits for ever. */
import { expect, it } from "vitest";
import { address } from "../../../agent/contract/address-shape.ts";
import { decode } from "../../../agent/contract/shape.ts";

const SHAPE = address({ schemes: "https?", path: true, description: "the agent", expected: "http://HOST:PORT" });
const found = (url: string): string | boolean => {
  const read = decode(SHAPE, url);
  return read.ok ? read.value === url : (read.problems[0]?.found ?? "");
};

it.each([
  "http://10.0.7.21:8082", "https://mill_3.shop.local/agent", "http://localhost", "http://[fe80::1]:5000/", "http://mazak-07.:5000", "http://müller-fräse:5000", "http://h:65535",
])("%s is one", (url) => {
  expect(found(url)).toBe(true);
});

it.each([
  ["http://h:99999", "the port 99999"],
  ["http://h:0", "the port 0"],
  ["http://h:808222222", "the port 808222222"],
  ["http://${HOST}:8082", 'the host "${HOST}"'],
  ["http://10.0.7.321:8082", 'the host "10.0.7.321"'],
  ["http://<address>:8082", 'the host "<address>"'],
  ["http://[::1::2]:8082", 'the host "[::1::2]"'],
  ["http://h,5000", 'the host "h,5000"'],
  ["http://user@h:5000", 'the text "http://user@h:5000"'],
  ["10.0.7.21:8082", 'the text "10.0.7.21:8082"'],
])("%s is none", (url, words) => {
  expect(found(url)).toBe(words);
});
