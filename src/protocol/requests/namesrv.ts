/** What a name server is asked. */
import { bool, int32, int64, optional, request, text } from '../fields.js'

const broker = { brokerName: text, brokerAddr: text, clusterName: text, brokerId: int64 }

export const PUT_KV_CONFIG = request(100, 'PUT_KV_CONFIG', { namespace: text, key: text, value: text })
export const GET_KV_CONFIG = request(101, 'GET_KV_CONFIG', { namespace: text, key: text }, { value: optional(text) })
export const DELETE_KV_CONFIG = request(102, 'DELETE_KV_CONFIG', { namespace: text, key: text })
/** Body: bodies/registration.ts; the answer's: a KvTable of the ordered topics. */
export const REGISTER_BROKER = request(
  103,
  'REGISTER_BROKER',
  { ...broker, haServerAddr: text, compressed: optional(bool), bodyCrc32: optional(int32) },
  { haServerAddr: optional(text), masterAddr: optional(text) },
)
export const UNREGISTER_BROKER = request(104, 'UNREGISTER_BROKER', broker)
/** The answer's body: a TopicRoute. */
export const GET_ROUTEINFO_BY_TOPIC = request(105, 'GET_ROUTEINFO_BY_TOPIC', { topic: text, acceptStandardJsonOnly: optional(bool) })
/** The answer's body: a ClusterInfo. */
export const GET_BROKER_CLUSTER_INFO = request(106, 'GET_BROKER_CLUSTER_INFO', {})
export const WIPE_WRITE_PERM_OF_BROKER = request(205, 'WIPE_WRITE_PERM_OF_BROKER', { brokerName: text }, { wipeTopicCount: int32 })
/** The answer's body, and that of all lists of topics: a TopicList. */
export const GET_ALL_TOPIC_LIST_FROM_NAMESERVER = request(206, 'GET_ALL_TOPIC_LIST_FROM_NAMESERVER', {})
export const DELETE_TOPIC_IN_NAMESRV = request(216, 'DELETE_TOPIC_IN_NAMESRV', { topic: text, clusterName: optional(text) })
/** The answer's body: a KvTable. */
export const GET_KVLIST_BY_NAMESPACE = request(219, 'GET_KVLIST_BY_NAMESPACE', { namespace: text })
export const GET_TOPICS_BY_CLUSTER = request(224, 'GET_TOPICS_BY_CLUSTER', { cluster: text })
export const GET_SYSTEM_TOPIC_LIST_FROM_NS = request(304, 'GET_SYSTEM_TOPIC_LIST_FROM_NS', {})
export const GET_UNIT_TOPIC_LIST = request(311, 'GET_UNIT_TOPIC_LIST', {})
export const GET_HAS_UNIT_SUB_TOPIC_LIST = request(312, 'GET_HAS_UNIT_SUB_TOPIC_LIST', {})
export const GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST = request(313, 'GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST', {})
/** Body, and the answer's of the other: lines `key=value`. */
export const UPDATE_NAMESRV_CONFIG = request(318, 'UPDATE_NAMESRV_CONFIG', {})
export const GET_NAMESRV_CONFIG = request(319, 'GET_NAMESRV_CONFIG', {})
/** Body and the answer's: a DataVersion. */
export const QUERY_DATA_VERSION = request(322, 'QUERY_DATA_VERSION', broker, { changed: optional(bool) })
export const ADD_WRITE_PERM_OF_BROKER = request(327, 'ADD_WRITE_PERM_OF_BROKER', { brokerName: text }, { addTopicCount: int32 })
