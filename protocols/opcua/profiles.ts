/** The profile a configuration names, with its points beside it. */
import type { OpcuaConfig } from "./config.ts";
import { withPoints } from "./points.ts";
import type { Profile } from "./profile.ts";
import { sinumerik } from "./sinumerik.ts";

export function profileOf(config: OpcuaConfig): Profile {
  return withPoints(config.profile === "sinumerik" ? sinumerik(config) : null, config);
}
