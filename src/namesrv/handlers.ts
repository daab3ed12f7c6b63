/** Which request is answered by what. */
import type { Command } from '../protocol/command.js'
import * as requests from '../protocol/requests/namesrv.js'
import type { Connection } from '../remoting/connection.js'
import type { Answer } from '../remoting/remoting-server.js'
import type { NamesrvContext } from './context.js'
import { clusterInfo } from './handlers/cluster-info.js'
import { getConfig, updateConfig } from './handlers/config.js'
import { deleteKv, getKv, kvList, putKv } from './handlers/kv.js'
import { queryDataVersion } from './handlers/query-data-version.js'
import { registerBroker } from './handlers/register-broker.js'
import { route } from './handlers/route.js'
import { allTopics, deleteTopic, systemTopics, topicsByCluster, unitTopics } from './handlers/topic-lists.js'
import { unregisterBroker } from './handlers/unregister-broker.js'
import { addWritePermission, wipeWritePermission } from './handlers/write-permission.js'

type NamesrvHandler = (context: NamesrvContext, request: Command, connection: Connection) => Answer | Promise<Answer>

export function handlersOf(): [{ readonly code: number }, NamesrvHandler][] {
  return [
    [requests.PUT_KV_CONFIG, putKv],
    [requests.GET_KV_CONFIG, getKv],
    [requests.DELETE_KV_CONFIG, deleteKv],
    [requests.GET_KVLIST_BY_NAMESPACE, kvList],
    [requests.REGISTER_BROKER, registerBroker],
    [requests.UNREGISTER_BROKER, unregisterBroker],
    [requests.QUERY_DATA_VERSION, queryDataVersion],
    [requests.GET_ROUTEINFO_BY_TOPIC, route],
    [requests.GET_BROKER_CLUSTER_INFO, clusterInfo],
    [requests.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, allTopics],
    [requests.GET_TOPICS_BY_CLUSTER, topicsByCluster],
    [requests.GET_SYSTEM_TOPIC_LIST_FROM_NS, systemTopics],
    [requests.GET_UNIT_TOPIC_LIST, unitTopics('unit')],
    [requests.GET_HAS_UNIT_SUB_TOPIC_LIST, unitTopics('unitSub')],
    [requests.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, unitTopics('unitSubNotUnit')],
    [requests.DELETE_TOPIC_IN_NAMESRV, deleteTopic],
    [requests.WIPE_WRITE_PERM_OF_BROKER, wipeWritePermission],
    [requests.ADD_WRITE_PERM_OF_BROKER, addWritePermission],
    [requests.GET_NAMESRV_CONFIG, getConfig],
    [requests.UPDATE_NAMESRV_CONFIG, updateConfig],
  ]
}
