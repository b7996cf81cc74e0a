/** The kinds of sources and destinations there are. Their wire packages are loaded by their own code when first connected. */
import type { DestinationKind } from "./contract/destination.ts";
import type { SourceKind } from "./contract/source.ts";
import { focas } from "../protocols/focas/driver.ts";
import { modbus } from "../protocols/modbus/driver.ts";
import { haas } from "../protocols/haas/driver.ts";
import { mtconnect } from "../protocols/mtconnect/driver.ts";
import { opcua } from "../protocols/opcua/driver.ts";
import { shdr } from "../protocols/shdr/driver.ts";
import { mqttDestination } from "../buffer/mqtt/destination.ts";

export const SOURCE_KINDS: readonly SourceKind<unknown>[] = [mtconnect, modbus, focas, opcua, shdr, haas];
export const DESTINATION_KINDS: readonly DestinationKind<unknown>[] = [mqttDestination];
