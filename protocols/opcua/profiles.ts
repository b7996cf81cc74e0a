/** The profile a configuration names, with its points beside it. */
import type { OpcuaConfig } from "./config.ts";
import { machineTool } from "./machine-tool.ts";
import { packml } from "./packml.ts";
import { withPoints } from "./points.ts";
import type { Profile } from "./profile.ts";
import { sinumerik } from "./sinumerik.ts";

/** For one session: a profile keeps what it found. */
export const profileOf = (config: OpcuaConfig): Profile => withPoints(named(config), config);

function named(config: OpcuaConfig): Profile | null {
  switch (config.profile) {
    case "sinumerik": return sinumerik(config);
    case "machine_tool": return machineTool(config);
    case "packml": return packml(config);
    case "none": return null;
  }
}
