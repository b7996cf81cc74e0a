/** The library itself, in a file of its own: imported when first needed, and whole in the bundle, where a CommonJS package imported on demand has no names. */
export * as client from "node-opcua-client";
export * as certificates from "node-opcua-certificate-manager";
export * as transport from "node-opcua-transport";
