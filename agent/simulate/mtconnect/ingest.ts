/** From what a feed says to what the ring keeps: finds the data item, numbers and renders. */
import type { Core } from "./core.ts";
import type { Item, Model } from "./model.ts";
import { render, type Entry, type SimulatedObservation } from "./observation.ts";

/** By id, name or Source text, in this order; a name within one device wins over the same name elsewhere. */
export function itemIndex(model: Model): (key: string, device?: string) => Item | undefined {
  const everywhere = new Map<string, Item>();
  const within = model.devices.map(() => new Map<string, Item>());
  for (const spelling of ["id", "name", "source"] as const) {
    for (const item of model.items) {
      const key = item[spelling];
      if (key === "") continue;
      if (!everywhere.has(key)) everywhere.set(key, item);
      const own = within[item.device];
      if (own !== undefined && !own.has(key)) own.set(key, item);
    }
  }
  const numberOf = new Map<string, number>(model.devices.flatMap((device) => [[device.uuid, device.index], [device.name, device.index]]));
  return (key, device) => (device === undefined ? everywhere.get(key) : within[numberOf.get(device) ?? -1]?.get(key));
}

export class Ingest {
  private readonly core: Core;
  private readonly find;
  constructor(core: Core) {
    this.core = core;
    this.find = itemIndex(core.model);
  }
  entries(observations: readonly SimulatedObservation[]): Entry[] {
    let sequence = this.core.ring.next;
    return observations.map((observation) => {
      const item = this.find(observation.item, observation.device);
      if (item === undefined) throw new Error(`the device model has no data item "${observation.item}"${observation.device === undefined ? "" : ` in device "${observation.device}"`}`);
      const own = observation.sequence ?? sequence;
      sequence = own + 1;
      return render(observation, item, own, this.core.dialect);
    });
  }
  /** One UNAVAILABLE per item of the device, or of all. */
  unavailable(device: string | undefined, at: number): SimulatedObservation[] {
    const { model } = this.core;
    return model.items
      .filter((item) => device === undefined || model.devices[item.device]?.name === device || model.devices[item.device]?.uuid === device)
      .map((item) => ({ item: item.id, at, value: "UNAVAILABLE" }));
  }
}
