/** Versions as headers have them: ordinals of RocketMQ's MQVersion, in which each release has a snapshot before it. */

/** 4.9.8: what it does is what is done here. */
export const OWN_VERSION = 409
/** As headers of ours say it: clients of 4.9 know no language but Java's for a broker. */
export const OWN = { language: 'JAVA', version: OWN_VERSION } as const

/** From 4.9.4 on a client reads routes as ordinary JSON. */
export const V4_9_4 = 401
/** From 3.0.11 on a broker's registration has filter servers beside its topics. */
export const V3_0_11 = 36
/** From 3.4.9 on a consumer's own limit of retries counts. */
export const V3_4_9 = 121
