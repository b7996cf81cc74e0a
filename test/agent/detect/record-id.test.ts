import { expect, test } from "vitest";
import { recordId } from "../../../agent/detect/record-id.ts";

const of = { agent: "cell-7", machine: "VMC-3" };

test("the id is a version 5 UUID", () => {
  for (let n = 0; n < 100; n += 1)
    expect(recordId(of, "state", [n])).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("it is the same on every machine, for ever", () => {
  expect(recordId(of, "state", ["1659966694:17"])).toBe(recordId({ ...of }, "state", ["1659966694:17"]));
  expect(recordId(of, "state", ["1659966694:17"])).toMatchInlineSnapshot(`"15ff66b0-8000-5a27-9617-a70296f5cba6"`);
});

test("agent, machine, type and each part of the key tell records apart", () => {
  const ids = [
    recordId(of, "state", ["a"]), recordId(of, "cycle", ["a"]), recordId({ ...of, agent: "cell-8" }, "state", ["a"]),
    recordId({ ...of, machine: "VMC-4" }, "state", ["a"]), recordId(of, "state", ["a", "bc"]), recordId(of, "state", ["ab", "c"]), recordId(of, "state", [1]), recordId(of, "state", ["1"]),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});
