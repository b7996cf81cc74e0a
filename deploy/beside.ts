/** Packages that stay beside whatever is bundled: native ones, and a way to lock that the OPC UA library has in reserve and never takes. */
export const BESIDE: readonly string[] = ["better-sqlite3", "serialport", "proper-lockfile"];
