/** `cellgate simulate opcua`: a SINUMERIK's server that plays the shift; only where the packages for development are (docs in protocols/opcua/README.md). */
import { shiftCommand } from "./simulate-shift.ts";

export const simulateOpcuaCommand = shiftCommand({
  kind: "opcua",
  summary: "serve a simulated SINUMERIK by OPC UA that plays a shift (only from a checkout)",
  port: 4840,
  options: { secured: { kind: "flag", help: "offer signed and encrypted connections too" } },
  async start({ clock, host, port, seed, args }) {
    const { simulateOpcua } = await import("../simulate/opcua/start.ts");
    const secured = args.flag("secured");
    const simulation = await simulateOpcua({ clock, host, port, seed, secured });
    return {
      at: simulation.url, close: () => simulation.close(),
      source: JSON.stringify({ type: "opcua", url: simulation.url, profile: "sinumerik", drive: 1, ...(secured ? { trust: "first" } : { security: "none" }) }),
    };
  },
});
