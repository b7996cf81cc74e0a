/**
 * A control of bytes alone, for what the simulated one does not do: it answers each question with the data or status that a
 * test puts down for its command, and echoes what it was asked, unless the test says otherwise.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface RawQuestion {
  readonly path: number;
  readonly command: number;
  readonly args: readonly number[];
}
/** Data of a good answer; a number is a status; "reset" cuts the connection. */
export type RawAnswer = Buffer | number | "reset";

export const words = (...values: readonly number[]): Buffer => Buffer.concat(values.map((value) => Buffer.from([(value >> 8) & 0xff, value & 0xff])));
export const longs = (...values: readonly number[]): Buffer => Buffer.concat(values.map((value) => words(value >> 16, value)));
export const system = (type: string, machine: string): Buffer => Buffer.concat([words(0x0202, 32), Buffer.from(`${type.padStart(2)}${machine.padStart(2)}G42129.003`, "latin1")]);

export async function rawControl(answer: (question: RawQuestion) => RawAnswer, echo: (path: number) => number = (path) => path): Promise<{ readonly port: number; readonly asked: readonly RawQuestion[] } & AsyncDisposable> {
  const asked: RawQuestion[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let held = Buffer.alloc(0);
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      for (; held.length >= 10 && held.length >= 10 + held.readUInt16BE(8); held = held.subarray(10 + held.readUInt16BE(8))) {
        const payload = held.subarray(10, 10 + held.readUInt16BE(8));
        const type = held.readUInt16BE(6);
        const said = type === 0x2101 ? answers(payload) : Buffer.alloc(type === 0x0101 ? 360 : 0);
        if (said === null) socket.resetAndDestroy();
        else socket.write(Buffer.concat([Buffer.alloc(4, 0xa0), words(3, type + 1, said.length), said]));
      }
    });
  });
  function answers(payload: Buffer): Buffer | null {
    const parts = [payload.subarray(0, 2)];
    for (let at = 2; at < payload.length; at += payload.readUInt16BE(at)) {
      const question = { path: payload.readUInt16BE(at + 4), command: payload.readUInt16BE(at + 6), args: [8, 12, 16, 20].map((place) => payload.readInt32BE(at + place)) };
      asked.push(question);
      const said = answer(question);
      if (said === "reset") return null;
      const data = typeof said === "number" ? Buffer.alloc(0) : said;
      parts.push(words(16 + data.length, payload.readUInt16BE(at + 2), echo(question.path), question.command, typeof said === "number" ? said : 0, 0, 0, data.length), data);
    }
    return Buffer.concat(parts);
  }
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return {
    port: (server.address() as AddressInfo).port, asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => { server.close(resolve); });
    },
  };
}
