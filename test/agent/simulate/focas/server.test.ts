/** The simulated control against the frames of the fact sheet, without the driver: what it says is what a real one says. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { RUN } from "../../../../agent/simulate/focas/control.ts";
import { FocasServer, type SimulatedControlOptions } from "../../../../agent/simulate/focas/server.ts";
import { hex, SHEET } from "../../../protocols/focas/frames.ts";

interface Line extends AsyncDisposable {
  readonly server: FocasServer;
  readonly socket: Socket;
  /** What it answers, whole; null when it ends or resets the connection instead. */
  ask(bytes: Buffer): Promise<Buffer | null>;
}

async function line(options: Partial<SimulatedControlOptions> = {}): Promise<Line> {
  const server = await FocasServer.start({ clock: systemClock(), ...options });
  const dial = async (): Promise<Socket> => {
    const socket = connect({ host: "127.0.0.1", port: server.port });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  const socket = await dial();
  return {
    server, socket,
    ask: (bytes) => new Promise((resolve) => {
      let held = Buffer.alloc(0);
      const take = (piece: Buffer): void => {
        held = Buffer.concat([held, piece]);
        if (held.length >= 10 && held.length >= 10 + held.readUInt16BE(8)) end(held);
      };
      const gone = (): void => { end(null); };
      const end = (answer: Buffer | null): void => {
        socket.off("data", take).off("close", gone);
        resolve(answer);
      };
      socket.on("data", take).once("close", gone);
      socket.write(bytes);
    }),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await server.close();
    },
  };
}

describe("byte for byte as the fact sheet has it", () => {
  it("0i-D: opening, system information, farewell", async () => {
    await using to = await line({ series: "0i-D" });
    expect(await to.ask(SHEET.open)).toEqual(SHEET.opened);
    const system = Buffer.from(SHEET.system0i);
    // Two axes there, three here.
    system.write("03", system.length - 2, "latin1");
    expect(await to.ask(SHEET.systemAsked)).toEqual(system);
    expect((await to.ask(SHEET.close))?.subarray(6)).toEqual(SHEET.closed.subarray(6));
  });

  it("31i-B: status with the two that belong to it, parts, speed, alarms", async () => {
    await using to = await line({ series: "31i-B" });
    const { first } = to.server.control;
    await to.ask(SHEET.open);
    first.run = RUN.stop;
    first.spindle = 1002;
    first.parameters.set(6711, 123);
    expect((await to.ask(SHEET.statusAsked))?.subarray(0, 42)).toEqual(SHEET.status.subarray(0, 42));
    expect(await to.ask(SHEET.partsAsked)).toEqual(SHEET.parts);
    expect(await to.ask(SHEET.speedAsked)).toEqual(SHEET.speed);
    expect(await to.ask(SHEET.alarmsAsked)).toEqual(SHEET.noAlarms);
    first.alarms = [{ number: 75, type: 3, text: hex("B1A3BBA4") }];
    expect(await to.ask(SHEET.alarmBitsAsked)).toEqual(SHEET.alarmBits);
    expect((await to.ask(SHEET.alarmsAsked))?.subarray(0, 48)).toEqual(SHEET.alarms.subarray(0, 48));
    expect(await to.ask(SHEET.close)).toEqual(SHEET.closed);
  });

  it("16i: program, parts in its own layout, a function that it has not", async () => {
    await using to = await line({ series: "16i" });
    const { first } = to.server.control;
    await to.ask(SHEET.open);
    [first.main, first.running] = [3000, 3000];
    first.parameters.set(6711, 123);
    expect(await to.ask(SHEET.programAsked)).toEqual(SHEET.program);
    expect(await to.ask(SHEET.partsOlderAsked)).toEqual(SHEET.partsOlder);
    expect(await to.ask(SHEET.alarmBitsAsked)).toEqual(SHEET.noAlarmBits);
    to.server.refuse.set(0x25, 1);
    expect(await to.ask(SHEET.speedAsked)).toEqual(SHEET.speedRefused);
    expect((await to.ask(SHEET.partsAsked))?.subarray(20, 22)).toEqual(hex("0001"));
  });

  it("a range that ends before it begins refuses the whole frame", async () => {
    await using to = await line({ series: "0i-F" });
    await to.ask(SHEET.open);
    expect(await to.ask(hex("A0A0A0A0 0001 2101 001E 0001 001C 0001 0001 0015 00000064 00000001 00000000 00000000 0000 0000"))).toEqual(SHEET.refused);
  });
});

describe("what a real one does not take", () => {
  it("a write is refused and counted: a macro, a parameter, the PMC, a cycle start", async () => {
    await using to = await line();
    await to.ask(SHEET.open);
    for (const [device, command] of [["0001", "0016"], ["0001", "0001"], ["0002", "8002"]] as const) {
      const answer = await to.ask(hex(`A0A0A0A0 0001 2101 001E 0001 001C ${device} 0001 ${command} 00000064 00000064 00000000 00000000 0000 0000`));
      expect(answer?.readInt16BE(20)).toBe(7);
    }
    expect(to.server.stats.writes).toBe(3);
  });

  it("data with a read is a write, too", async () => {
    await using to = await line();
    await to.ask(SHEET.open);
    await to.ask(hex("A0A0A0A0 0001 2101 0022 0001 0020 0001 0001 008D 00001A37 00001A37 00000000 00000000 0000 0004 00000000"));
    expect(to.server.stats.writes).toBe(1);
  });

  it.each([["a second opening", SHEET.open], ["what is no FOCAS", Buffer.from("GET / HTTP/1.1\r\n\r\n")]])("%s ends the connection", async (_, bytes) => {
    await using to = await line();
    await to.ask(SHEET.open);
    expect(await to.ask(bytes)).toBeNull();
  });

  it("a question before any opening", async () => {
    await using to = await line();
    expect(await to.ask(SHEET.systemAsked)).toBeNull();
  });
});
