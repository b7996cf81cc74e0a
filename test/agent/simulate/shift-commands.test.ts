/** `cellgate simulate shdr | haas`: serve until the signal aborts, print the source that reads them, and say what is wrong with an option. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, it } from "vitest";
import { simulateHaasCommand } from "../../../agent/cli/simulate-haas.ts";
import { simulateShdrCommand } from "../../../agent/cli/simulate-shdr.ts";
import { decode } from "../../../agent/contract/shape.ts";
import { SOURCE_KINDS } from "../../../agent/registry.ts";
import { running, type Running } from "../cli/run.ts";

const run = (...args: readonly string[]): Running => running(["simulate", ...args], [simulateShdrCommand, simulateHaasCommand]);

interface Told {
  readonly at: string;
  readonly source: Readonly<Record<string, unknown>>;
}
async function told(running: Running): Promise<Told> {
  await expect.poll(() => running.text.out, { interval: 5 }).toContain("}\n");
  const { at, source } = JSON.parse(running.text.out) as { readonly at: string; readonly source: string };
  return { at, source: JSON.parse(source) as Told["source"] };
}
const dialled = async (at: string): Promise<Socket> => {
  const socket = connect(Number(at.split(":")[1]), "127.0.0.1");
  await once(socket, "connect");
  return socket;
};
const heard = async (socket: Socket, wanted: RegExp): Promise<string> => {
  let text = "";
  for await (const bytes of socket.setEncoding("latin1") as AsyncIterable<string>) {
    text += bytes;
    if (wanted.test(text)) break;
  }
  return text;
};

it.each([
  ["shdr", "* PING\n", /\* PONG 10000\n/u, /^\S+Z\|plogic\|NORMAL\|\|\|\|\n\S+Z\|avail\|AVAILABLE\n[^]*\|pexecution\|READY\n[^]*\|pmessage\|\|\n/u],
  ["haas", "?Q100\n?Q500\n", /PARTS, \d+\r\n>/u, /^>SERIAL NUMBER, 1234567\r\n>PROGRAM, O1234, \w+, PARTS, 412\r\n>$/u],
])("%s: serves the shift, and prints a source that its driver takes", async (kind, asks, until, wanted) => {
  const running = run(kind, "--port", "0", "--json", ...(kind === "haas" ? ["--delay", "0"] : []));
  const { at, source: { type, ...keys } } = await told(running);
  const shape = SOURCE_KINDS.find((one) => one.kind === type)?.shape;
  expect(shape && decode(shape, keys).ok).toBe(true);
  const socket = await dialled(at);
  socket.write(asks);
  expect(await heard(socket, until)).toMatch(wanted);
  running.stop();
  expect(await running.code).toBe(0);
  await expect(dialled(at)).rejects.toThrow("ECONNREFUSED");
});

it.each([
  [["shdr", "--speed", "fast"], '--speed is "fast"; it must be a number, at least 0.001'],
  [["haas", "--port=-1"], '--port is "-1"; it must be a number, at least 0'],
  [["haas", "--dialect", "new"], '--dialect is "new"; it must be ngc or classic'],
  [["haas", "--delay", "soon"], '--delay is "soon"'],
  [["shdr", "--host", "192.0.2.77"], "the simulated shdr machine could not start"],
])("%j is told", async (args, words) => {
  const running = run(...args);
  expect(await running.code).toBe(2);
  expect(running.text.err).toContain(words);
});
