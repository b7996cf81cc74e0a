/**
 * The loop of one destination: connect, hand over what the outbox holds, settle what came back, show current values, and
 * begin again when the link is lost, for ever. Each destination has its own, so a dead one delays no other.
 */
import type { Board, Delivery, Destination, Downlink, Pacing } from "../../contract/destination.ts";
import type { LinkError } from "../../contract/errors.ts";
import type { Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Link } from "../../contract/source.ts";
import { retainedOf } from "./board.ts";
import { Feed } from "./deliver-feed.ts";
import { keepConnected, type Holding } from "./keep-connected.ts";
import { AT_ONCE, LivePace } from "./pacing.ts";

export interface DeliverOptions {
  readonly destination: Destination;
  readonly outbox: Outbox;
  readonly board: Board;
  readonly ports: Ports;
  readonly onLink: (link: Link) => void;
  /** Default: everything at once. */
  readonly pacing?: Pacing;
  /** What comes back from the broker; default: nobody listens. */
  readonly downlink?: Downlink;
  /** A mark at the destination says more of our buffer than can be believed: what a person should know of it. */
  readonly onDoubt?: (words: string) => void;
  /** The live link, while there is one: what it warns of is asked of it. */
  readonly onDelivery?: (delivery: Delivery | null) => void;
}

const FIRST_RETRY_MS = 1_000;
const MAXIMUM_RETRY_MS = 60_000;

/** Runs until the signal aborts; rejects only when the outbox fails for good (`StoreError`). */
export const deliver = (options: DeliverOptions, signal: AbortSignal): Promise<void> => keepConnected({
  what: `${options.destination.kind} destination`,
  firstMs: FIRST_RETRY_MS,
  maximumMs: MAXIMUM_RETRY_MS,
  ports: options.ports,
  onLink: options.onLink,
  session: (holding) => session(options, holding, signal),
}, signal);

/** Feeds one live link until it is lost or the signal aborts, then closes it. */
async function session(options: DeliverOptions, holding: Holding, signal: AbortSignal): Promise<LinkError> {
  const { destination, outbox, board, ports, pacing = AT_ONCE, downlink = () => undefined, onDelivery = () => undefined } = options;
  const delivery = await destination.connect(signal, downlink, outbox.marking ?? undefined);
  const feed = new Feed({ delivery, destination: destination.name, outbox, pacing, ports, worked: () => { holding.worked(); } }, signal);
  const live = new LivePace(pacing.liveMs, ports.network, (values) => { delivery.retain(values); });
  let isMarked = false;
  const stopListening = board.onChange((changed) => {
    // A heartbeat names rows that may not have left yet: should their numbers be given again, that must be noticed too.
    if (isMarked && changed.some(({ scope }) => scope === "heartbeat")) delivery.mark?.(outbox.synced());
    live.put(retainedOf(changed));
  });
  try {
    holding.up(delivery.peer);
    onDelivery(delivery);
    delivery.retain(retainedOf(board.all()));
    isMarked = await isOurs(delivery, options);
    if (isMarked) delivery.mark?.(outbox.synced());
    return await feed.run();
  } finally {
    onDelivery(null);
    stopListening();
    live.end();
    try {
      await feed.stop();
    } finally {
      await delivery.close();
    }
  }
}

/** Before any row leaves: false when the destination knows more of this buffer than it holds. The outbox then gives nothing out any more, and what is marked there stays. */
async function isOurs({ found }: Delivery, { outbox, onDoubt = () => undefined }: DeliverOptions): Promise<boolean> {
  const mark = await found ?? null;
  const { isOlder, doubt } = mark === null ? { isOlder: false, doubt: null } : outbox.heard(mark);
  if (doubt !== null) onDoubt(doubt);
  return !isOlder;
}
