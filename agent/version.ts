/** Rises with each release; stands in records' heartbeats and in `cellgate version`. */
export const VERSION = "0.1.0";
