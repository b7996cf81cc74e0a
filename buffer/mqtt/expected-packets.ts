/**
 * Only packets that a broker has a reason to send get into mqtt.js: what it cannot place throws there, outside of every
 * call of ours, and ends the process (PUBREL without a packet id; anything of QoS 2 behind the packet that ended the link,
 * its tables being gone). The others are passed over, as is everything once the link has ended. mqtt.js looks at a packet's
 * kind after it has told of it, so that changing the kind is enough.
 */
import type { MqttClient, Packet } from "mqtt";

/** QoS 2 is never asked for, so that its PUBREC, PUBREL and PUBCOMP belong to nothing. */
const EXPECTED: ReadonlySet<string> = new Set<Packet["cmd"]>(["connack", "publish", "puback", "suback", "pingresp", "disconnect"]);

export interface Gate {
  readonly isOver: () => boolean;
  /** What ends the link. */
  readonly onWrong: (error: Error) => void;
}

/** To be called before anything can have arrived. */
export function passExpected(client: MqttClient, { isOver, onWrong }: Gate): void {
  client.on("packetreceive", (packet) => {
    const wrong = isOver() || !EXPECTED.has(packet.cmd) ? "" : wrongPublish(packet);
    if (wrong === null) return;
    Object.assign(packet, { cmd: "passed over" });
    if (wrong !== "") onWrong(new Error(wrong));
  });
}

function wrongPublish(packet: Packet): string | null {
  if (packet.cmd !== "publish") return null;
  // mqtt.js would keep it until the broker asks to let it go: 65,535 of them, which over 3.1.1 nothing forbids.
  if (packet.qos === 2) return "a message at QoS 2 came although we asked for QoS 1";
  return packet.qos === 1 && (packet.messageId ?? 0) < 1 ? "a message at QoS 1 came without a number" : null;
}
