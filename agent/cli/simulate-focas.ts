/** `cellgate simulate focas`: a FANUC control of one series that lives the shift. */
import { UsageError } from "./arguments.ts";
import { shiftCommand } from "./simulate-shift.ts";

export const simulateFocasCommand = shiftCommand({
  kind: "focas",
  summary: "serve a simulated FANUC control that plays a shift",
  port: 8193,
  options: {
    series: { kind: "value", value: "NAME", default: "31i-B", help: "16i, 0i-D, 31i-B or 0i-F: each lays some answers out otherwise" },
    slots: { kind: "value", value: "N", default: "2", help: "connections that it takes at a time" },
  },
  async start({ clock, host, port, seed, args }) {
    const { simulateFocas } = await import("../simulate/focas/start.ts");
    const { isSeries, SERIES } = await import("../simulate/focas/profile.ts");
    const series = args.value("series") ?? "31i-B";
    const slots = Number(args.value("slots"));
    if (!isSeries(series)) throw new UsageError(`--series is ${JSON.stringify(series)}; it must be one of ${SERIES.join(", ")}`);
    if (!Number.isInteger(slots) || slots < 1) throw new UsageError(`--slots is ${JSON.stringify(args.value("slots"))}; it must be a whole number, at least 1`);
    const simulation = await simulateFocas({ clock, host, port, seed, series, slots });
    const { port: at } = simulation.server;
    return { at: `${host}:${at}`, source: JSON.stringify({ type: "focas", host, port: at, length_unit: "mm" }), close: () => simulation.close() };
  },
});
