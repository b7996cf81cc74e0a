/**
 * The one way to a server's session (design.md P6): it reads, browses, subscribes and asks for alarms to be told again
 * (ConditionRefresh), and has no word for anything else. No other file holds the library's session.
 */
import type { ClientSession, ClientSubscription, OPCUAClient, ReferenceDescription } from "node-opcua-client";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock, UnixMs } from "../../agent/contract/time.ts";
import { byUri } from "./address.ts";
import { bounded, type Bound } from "./bounded.ts";
import type { Client } from "./library.ts";
import type { Notice } from "./mailbox.ts";
import type { Reference } from "./profile.ts";
import { timeOf, type WireValue } from "./values.ts";

export interface Opened {
  readonly library: Client;
  readonly client: OPCUAClient;
  readonly session: ClientSession;
  readonly network: Clock;
  readonly timeoutMs: number;
  /** For messages: the server's address. */
  readonly where: string;
}
export interface Rhythm {
  readonly publishingMs: number;
  readonly keepaliveMs: number;
  readonly sessionMs: number;
}
/** How the server is to look at a node. */
export interface Looking {
  readonly samplingMs: number;
  readonly queue: number;
  readonly deadband: number | undefined;
}
export interface Followed {
  /** By which its values come; null: the server refused, and `status` says why. */
  readonly handle: number | null;
  readonly status: string;
  readonly samplingMs: number;
}
export interface Listener {
  notice(notice: Notice): void;
  /** The server forgot the subscription, or the session: what was queued is lost. */
  lost(why: string): void;
}

/** Servers take fewer nodes in one call than they have (facts §4.8: 100 is safe). */
const AT_ONCE = 100;
/** More than this under one node is no folder of a machine. */
const CHILDREN_LIMIT = 20_000;
/** Part 3 and 6: hierarchical references; object, variable and view; browse name, class and type in the answer. */
const [HIERARCHICAL, ALL_CLASSES, ALL_FIELDS] = ["i=33", 0, 63] as const;
const [ATTRIBUTE_NODE_ID, ATTRIBUTE_EVENTS, ATTRIBUTE_VALUE] = [1, 12, 13] as const;
const ABSOLUTE_DEADBAND = 1;
/** Part 9: ConditionType and its method ConditionRefresh. */
const [CONDITION_TYPE, CONDITION_REFRESH] = ["i=2782", "i=3875"] as const;
const [SEVERITY_SHIFT, BAD] = [30, 2] as const;
/** The library's least. */
const LEAST_KEEPALIVES = 3;

export class ReadOnly {
  readonly namespaces: readonly string[];
  readonly #opened: Opened;
  #subscription: ClientSubscription | null = null;

  constructor(opened: Opened, namespaces: readonly string[]) {
    this.#opened = opened;
    this.namespaces = namespaces;
  }

  static async open(opened: Opened, signal: AbortSignal): Promise<ReadOnly> {
    const namespaces = await bounded(opened.session.readNamespaceArray(), boundOf(opened, "reading the namespaces"), signal);
    return new ReadOnly(opened, namespaces);
  }

  /** The session timeout that the server granted. */
  get sessionMs(): number {
    return this.#opened.session.timeout;
  }

  /** How often a silent server shows that it lives, as it granted it: it may have made more of what we asked. */
  get keepaliveMs(): number {
    const { publishingInterval, maxKeepAliveCount } = this.#subscribed();
    return publishingInterval * maxKeepAliveCount;
  }

  /** True while the server numbers its namespaces as it did when we opened. */
  async isAsBefore(signal: AbortSignal): Promise<boolean> {
    const now = await bounded(this.#opened.session.readNamespaceArray(), boundOf(this.#opened, "reading the namespaces"), signal);
    return now.length === this.namespaces.length && now.every((uri, index) => uri === this.namespaces[index]);
  }

  async read(nodeIds: readonly string[], signal: AbortSignal): Promise<readonly WireValue[]> {
    const values: WireValue[] = [];
    for (let at = 0; at < nodeIds.length; at += AT_ONCE) {
      const some = nodeIds.slice(at, at + AT_ONCE).map((nodeId) => ({ nodeId, attributeId: ATTRIBUTE_VALUE }));
      values.push(...(await bounded(this.#opened.session.read(some), boundOf(this.#opened, "reading values"), signal)));
    }
    return values;
  }

  async children(nodeId: string, signal: AbortSignal): Promise<readonly Reference[]> {
    const { session, library } = this.#opened;
    const bound = boundOf(this.#opened, "browsing");
    const found: ReferenceDescription[] = [];
    let answer = await bounded(session.browse({ nodeId, referenceTypeId: HIERARCHICAL, includeSubtypes: true, browseDirection: library.BrowseDirection.Forward, nodeClassMask: ALL_CLASSES, resultMask: ALL_FIELDS }), bound, signal);
    for (;;) {
      found.push(...(answer.references ?? []));
      const more: Buffer | null | undefined = answer.continuationPoint;
      if (!more || more.length === 0) break;
      // A point that is not used up holds one of the few that the server has.
      const enough = found.length >= CHILDREN_LIMIT;
      answer = await bounded(session.browseNext(more, enough), bound, signal);
      if (enough) break;
    }
    return found.map((one) => this.#reference(one));
  }

  #reference({ nodeId, browseName, typeDefinition }: ReferenceDescription): Reference {
    return {
      nodeId: nodeId.toString(), name: browseName.name ?? "", namespace: this.namespaces[browseName.namespaceIndex] ?? "",
      type: typeDefinition.isEmpty() ? "" : byUri(typeDefinition.toString(), this.namespaces),
    };
  }

  /** One subscription; a second call is a bug. */
  async subscribe({ publishingMs, keepaliveMs, sessionMs }: Rhythm, listener: Listener, signal: AbortSignal): Promise<void> {
    const { library, client, session } = this.#opened;
    const count = Math.max(LEAST_KEEPALIVES, Math.round(keepaliveMs / publishingMs));
    const subscription = library.ClientSubscription.create(session, {
      requestedPublishingInterval: publishingMs, requestedMaxKeepAliveCount: count,
      requestedLifetimeCount: Math.max(count * 3, Math.ceil(sessionMs / publishingMs)), maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
    });
    this.#subscription = subscription;
    const { promise: started, resolve, reject } = Promise.withResolvers<void>();
    subscription.once("started", () => {
      resolve();
    });
    subscription.once("error", (cause: Error) => {
      reject(cause);
    });
    listen(client, subscription, listener);
    await bounded(started, boundOf(this.#opened, "making a subscription"), signal);
  }

  /** Asks the server to follow nodes, all in the same way; what it refuses leaves the others alone. */
  async follow(nodeIds: readonly string[], { samplingMs, queue, deadband }: Looking, signal: AbortSignal): Promise<readonly Followed[]> {
    const { library } = this.#opened;
    const filter = deadband === undefined ? null : new library.DataChangeFilter({ trigger: library.DataChangeTrigger.StatusValue, deadbandType: ABSOLUTE_DEADBAND, deadbandValue: deadband });
    const followed: Followed[] = [];
    for (let at = 0; at < nodeIds.length; at += AT_ONCE) {
      const some = nodeIds.slice(at, at + AT_ONCE).map((nodeId) => ({ nodeId, attributeId: ATTRIBUTE_VALUE }));
      const group = await bounded(this.#subscribed().monitorItems(some, { samplingInterval: samplingMs, queueSize: queue, discardOldest: true, filter }, library.TimestampsToReturn.Both), boundOf(this.#opened, "following values"), signal);
      followed.push(...group.monitoredItems.map(({ statusCode, monitoringParameters, result }): Followed => ({
        handle: statusCode.value >>> SEVERITY_SHIFT >= BAD ? null : monitoringParameters.clientHandle, status: statusCode.name, samplingMs: result?.revisedSamplingInterval ?? samplingMs,
      })));
    }
    return followed;
  }

  /** The server need no longer look at it, nor does the library keep it. */
  async unfollow(handle: number, signal: AbortSignal): Promise<void> {
    const item = this.#subscribed().monitoredItems[handle];
    if (item !== undefined) await bounded(item.terminate(), boundOf(this.#opened, "following no longer"), signal);
  }

  /** Follows the events of an object: these fields of each (no path: its condition's id). The status says whether the server does. */
  async followEvents(nodeId: string, fields: readonly { readonly type: string; readonly path: readonly string[] }[], queue: number, signal: AbortSignal): Promise<Followed> {
    const { library } = this.#opened;
    const selectClauses = fields.map(({ type, path }) => new library.SimpleAttributeOperand({
      typeDefinitionId: type, browsePath: path.map((name) => library.coerceQualifiedName(name)), attributeId: path.length === 0 ? ATTRIBUTE_NODE_ID : ATTRIBUTE_VALUE,
    }));
    const filter = new library.EventFilter({ selectClauses, whereClause: { elements: [] } });
    const [item] = (await bounded(this.#subscribed().monitorItems([{ nodeId, attributeId: ATTRIBUTE_EVENTS }], { samplingInterval: 0, queueSize: queue, discardOldest: true, filter }, library.TimestampsToReturn.Both), boundOf(this.#opened, "following alarms"), signal)).monitoredItems;
    if (item === undefined) return { handle: null, status: "no answer", samplingMs: 0 };
    return { handle: item.statusCode.value >>> SEVERITY_SHIFT >= BAD ? null : item.monitoringParameters.clientHandle, status: item.statusCode.name, samplingMs: 0 };
  }

  /** The one method that is called, and it changes nothing: the server tells its active alarms again. */
  async refreshConditions(signal: AbortSignal): Promise<string> {
    const { session, library } = this.#opened;
    const inputArguments = [{ dataType: library.DataType.UInt32, value: this.#subscribed().subscriptionId }];
    const { statusCode } = await bounded(session.call({ objectId: CONDITION_TYPE, methodId: CONDITION_REFRESH, inputArguments }), boundOf(this.#opened, "asking for active alarms"), signal);
    return statusCode.name;
  }

  #subscribed(): ClientSubscription {
    if (this.#subscription === null) throw new LinkError("internal", "backoff", `no subscription was made at ${this.#opened.where}`);
    return this.#subscription;
  }
}

const boundOf = ({ network, timeoutMs, where }: Opened, what: string): Bound => ({ network, timeoutMs, what: `${what} of ${where}` });

/** What the answer says that the message in it does not: the server's time, and whether more waits. */
interface Header {
  readonly now: UnixMs | null;
  readonly more: boolean;
}

const FORGOTTEN = "the server has forgotten our subscription: what happened meanwhile is not known";
/** Part 4 §7.19: after the largest number comes 1. */
const next = (sequence: number): number => (sequence === 0xffff_ffff ? 1 : sequence + 1);

function listen(client: OPCUAClient, subscription: ClientSubscription, listener: Listener): void {
  let header: Header = { now: null, more: false };
  let subscriptions = 0;
  /** Of the last message with content; null: none came yet. */
  let sequence: number | null = null;
  client.on("receive_response", (response) => {
    // A server that started anew may give the number of the old one to the new: only this tells that the library made it again.
    if (response.schema.name === "CreateSubscriptionResponse" && ++subscriptions > 1) listener.lost(FORGOTTEN);
    if ("moreNotifications" in response && "responseHeader" in response) header = { now: timeOf(response.responseHeader.timestamp), more: response.moreNotifications };
  });
  subscription.on("raw_notification", (message) => {
    const data: readonly unknown[] = message.notificationData ?? [];
    const expected = sequence === null ? message.sequenceNumber : next(sequence);
    const isAhead = message.sequenceNumber !== expected && (data.length > 0 || message.sequenceNumber !== sequence);
    if (isAhead) listener.lost("messages were lost on their way, and the server has them no more: what they said is not known");
    if (data.length > 0) sequence = message.sequenceNumber;
    // A keepalive carries the number of the message to come, and the library would not ask for that one after a cut.
    else Object.assign(subscription, { lastSequenceNumber: sequence ?? message.sequenceNumber - 1 });
    // A message sent again after a cut keeps the time at which it was first sent; not every server fills it in.
    listener.notice({ now: timeOf(message.publishTime) ?? header.now, more: header.more, values: data.flatMap(valuesIn), events: data.flatMap(eventsIn), lost: 0 });
  });
  subscription.on("subscriptionId_changed", () => {
    listener.lost(FORGOTTEN);
  });
  subscription.on("status_changed", (status) => {
    listener.lost(`the server ended our subscription: ${status.name}`);
  });
  subscription.on("terminated", () => {
    listener.lost("our subscription has ended");
  });
  subscription.on("internal_error", () => undefined);
  // Without a listener it would end the process.
  subscription.on("error", (cause: Error) => {
    listener.lost(`the subscription failed: ${cause.message}`);
  });
  client.on("abort", () => {
    listener.lost("the connection was given up");
  });
  client.on("close", () => {
    listener.lost("the server closed the connection");
  });
}

interface DataChanges {
  readonly monitoredItems: readonly { readonly clientHandle: number; readonly value: WireValue }[] | null;
}
interface Events {
  readonly events: readonly { readonly eventFields: Notice["events"][number] | null }[] | null;
}
const has = <K extends string>(value: unknown, key: K): value is Record<K, unknown> => typeof value === "object" && value !== null && key in value;
const valuesIn = (data: unknown): Notice["values"] => (has(data, "monitoredItems") ? ((data as unknown as DataChanges).monitoredItems ?? []).map(({ clientHandle, value }) => ({ handle: clientHandle, wire: value })) : []);
const eventsIn = (data: unknown): Notice["events"] => (has(data, "events") ? ((data as unknown as Events).events ?? []).map(({ eventFields }) => eventFields ?? []) : []);
