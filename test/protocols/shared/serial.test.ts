/** Real pseudo-terminals: opening, the exclusive lock, and an adapter that is pulled. */
import { once } from "node:events";
import { expect, it } from "vitest";
import { closeSerial, openSerial, type SerialLine } from "../../../protocols/shared/serial.ts";
import { describeNeeding } from "../../support/needs.ts";
import { serialCable } from "../../support/pty.ts";

const line = (path: string): SerialLine => ({ path, baud: 9_600, parity: "none", stopBits: 1, dataBits: 8 });

describeNeeding(["socat"], "a serial port", () => {
  it("carries bytes both ways, and is closed twice", async () => {
    await using cable = await serialCable();
    const [near, far] = await Promise.all([openSerial(line(cable.near)), openSerial(line(cable.far))]);
    const heard = once(far, "data");
    near.write(Buffer.from("hello"));
    expect(String((await heard)[0])).toBe("hello");
    await Promise.all([closeSerial(near), closeSerial(near), closeSerial(far)]);
    await closeSerial(near);
    // Closed means that the lock is given back.
    await closeSerial(await openSerial(line(cable.near)));
  });

  it("is locked while it is open, and says so", async () => {
    await using cable = await serialCable();
    const port = await openSerial(line(cable.near));
    await expect(openSerial(line(cable.near))).rejects.toMatchObject({ fault: "refused", message: expect.stringContaining("somebody else has it open") as string });
    await closeSerial(port);
  });

  it("a pulled adapter can be let go; a path that is gone, and one that is no port, are said in words", async () => {
    await using cable = await serialCable();
    const [port, peer] = [await openSerial(line(cable.near)), await openSerial(line(cable.far))];
    const heard = once(port, "data");
    peer.write("x");
    await heard;
    // Mostly it is noticed at once, but not always (one in seven at a pseudo-terminal): a driver's own deadline finds the rest.
    await cable.unplug();
    await Promise.all([closeSerial(port), closeSerial(peer)]);
    await expect(openSerial(line(cable.near))).rejects.toMatchObject({ fault: "unreachable", message: expect.stringContaining("is the adapter plugged in?") as string });
    await expect(openSerial(line("/dev/null"))).rejects.toMatchObject({ fault: "unsupported" });
  });
});
