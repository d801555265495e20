// Agones' SDK protocol as protobuf describes it: the messages and methods that Armada serves, and nothing else.
import protobuf from 'protobufjs'

const stable = `
syntax = "proto3";
package agones.dev.sdk;
message Empty {}
message KeyValue { string key = 1; string value = 2; }
message Duration { int64 seconds = 1; }
message GameServer {
  message ObjectMeta {
    string name = 1;
    string namespace = 2;
    string uid = 3;
    string resource_version = 4;
    int64 generation = 5;
    int64 creation_timestamp = 6;
    int64 deletion_timestamp = 7;
    map<string, string> annotations = 8;
    map<string, string> labels = 9;
  }
  message Spec {
    message Health {
      bool disabled = 1;
      int32 period_seconds = 2;
      int32 failure_threshold = 3;
      int32 initial_delay_seconds = 4;
    }
    Health health = 1;
  }
  message Status {
    message Port { string name = 1; int32 port = 2; }
    message Players { int64 count = 1; int64 capacity = 2; repeated string ids = 3; }
    message Address { string type = 1; string address = 2; }
    message CounterStatus { int64 count = 1; int64 capacity = 2; }
    message ListStatus { int64 capacity = 1; repeated string values = 2; }
    string state = 1;
    string address = 2;
    repeated Port ports = 3;
    Players players = 4;
    map<string, CounterStatus> counters = 5;
    map<string, ListStatus> lists = 6;
    repeated Address addresses = 7;
  }
  ObjectMeta object_meta = 1;
  Spec spec = 2;
  Status status = 3;
}
service SDK {
  rpc Ready (Empty) returns (Empty);
  rpc Allocate (Empty) returns (Empty);
  rpc Shutdown (Empty) returns (Empty);
  rpc Health (stream Empty) returns (Empty);
  rpc GetGameServer (Empty) returns (GameServer);
  rpc WatchGameServer (Empty) returns (stream GameServer);
  rpc SetLabel (KeyValue) returns (Empty);
  rpc SetAnnotation (KeyValue) returns (Empty);
  rpc Reserve (Duration) returns (Empty);
}`

const beta = `
syntax = "proto3";
package agones.dev.sdk.beta;
message Number { int64 value = 1; }
message Mask { repeated string paths = 1; }
message Counter { string name = 1; int64 count = 2; int64 capacity = 3; }
message CounterUpdateRequest { string name = 1; Number count = 2; Number capacity = 3; int64 countDiff = 4; }
message UpdateCounterRequest { CounterUpdateRequest counterUpdateRequest = 1; }
message List { string name = 1; int64 capacity = 2; repeated string values = 3; }
message UpdateListRequest { List list = 1; Mask update_mask = 2; }
message ByName { string name = 1; }
message ByValue { string name = 1; string value = 2; }
service SDK {
  rpc GetCounter (ByName) returns (Counter);
  rpc UpdateCounter (UpdateCounterRequest) returns (Counter);
  rpc GetList (ByName) returns (List);
  rpc UpdateList (UpdateListRequest) returns (List);
  rpc AddListValue (ByValue) returns (List);
  rpc RemoveListValue (ByValue) returns (List);
}`

const alpha = `
syntax = "proto3";
package agones.dev.sdk.alpha;
message Empty {}
message Count { int64 count = 1; }
message Bool { bool bool = 1; }
message PlayerID { string playerID = 1; }
message PlayerIDList { repeated string list = 1; }
service SDK {
  rpc PlayerConnect (PlayerID) returns (Bool);
  rpc PlayerDisconnect (PlayerID) returns (Bool);
  rpc SetPlayerCapacity (Count) returns (Empty);
  rpc GetPlayerCapacity (Empty) returns (Count);
  rpc GetPlayerCount (Empty) returns (Count);
  rpc IsPlayerConnected (PlayerID) returns (Bool);
  rpc GetConnectedPlayers (Empty) returns (PlayerIDList);
}`

export interface Rpc {
  service: string
  name: string
  /** @throws Error */
  decode: (bytes: Buffer) => Record<string, unknown>
  encode: (message: object) => Uint8Array
}

/** Path -> how it goes over the wire. Messages are objects with the protocol's own names. */
export function readProtocol(): Map<string, Rpc> {
  const root = new protobuf.Root()
  for (const text of [stable, beta, alpha]) protobuf.parse(text, root, { keepCase: true })
  root.resolveAll()
  const services = ['agones.dev.sdk.SDK', 'agones.dev.sdk.beta.SDK', 'agones.dev.sdk.alpha.SDK']
  const rpcs = services.flatMap((service) =>
    root.lookupService(service).methodsArray.map((method) => rpcOf(service, method)),
  )
  return new Map(rpcs.map((rpc) => [`/${rpc.service}/${rpc.name}`, rpc]))
}

function rpcOf(service: string, method: protobuf.Method): Rpc {
  const {
    name,
    resolvedRequestType: takes,
    resolvedResponseType: gives,
  } = method.resolve() as protobuf.Method
  if (!takes || !gives) throw new Error(`${service}/${name} has no types`)
  return {
    ...{ service, name },
    decode: (bytes) => takes.toObject(takes.decode(bytes), { longs: Number }),
    encode: (message) => gives.encode(gives.fromObject(message)).finish(),
  }
}
