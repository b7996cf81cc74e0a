/**
 * A machine as a Sparkplug device: its metrics, and whether it is there. It comes when its source is connected and has
 * caught up, for then its values are the present ones; it goes when the link is lost or the machine says UNAVAILABLE.
 * That it is behind for a moment in between is no death.
 */
import { isRecord } from "../../../agent/contract/shape.ts";
import { MetricSet } from "./metric-set.ts";
import { DEVICE_METRICS } from "./vocabulary.ts";

export class Device {
  readonly metrics: MetricSet;
  /** In the present session. */
  isBorn = false;
  #isFollowed = false;
  #isAvailable = true;

  constructor(nextAlias: () => number, historyLimit: number) {
    this.metrics = new MetricSet(DEVICE_METRICS, nextAlias, historyLimit);
  }

  get isThere(): boolean {
    return this.#isFollowed && this.#isAvailable;
  }

  /** The machine's health, as the heartbeat shows it. */
  takeHealth(health: object): void {
    const { link, phase, caughtUp } = health as { readonly link?: unknown; readonly phase?: unknown; readonly caughtUp?: unknown };
    const isUp = isRecord(link) && link["state"] === "up" && phase === "following";
    this.#isFollowed = isUp && (this.#isFollowed || caughtUp === true);
  }

  takeLive({ name, payload }: { readonly name: string; readonly payload: object }): void {
    if (name !== "availability") return;
    const { value } = payload as { readonly value?: unknown };
    this.#isAvailable = value !== null && value !== "UNAVAILABLE";
  }
}
