// The official TypeScript SDK against the sandbox, unchanged. Usage: sdk.js URL, with HOME holding .oci/config and
// NODE_PATH the packages. It writes the names of signed headers in another case than the Python SDK, and sends the tokens
// of pages unchanged.
"use strict";
const assert = require("node:assert/strict");
const common = require("oci-common");
const { ContainerInstanceClient } = require("oci-containerinstances");
const { LoadBalancerClient } = require("oci-loadbalancer");
const { WorkRequestClient } = require("oci-workrequests");

const url = process.argv[2];

async function refused(status, code, call) {
  const error = await call.then(() => null, (error) => error);
  assert.ok(error, `expected ${status} ${code}`);
  assert.deepEqual([error.statusCode, error.serviceCode], [status, code], String(error));
}

async function until(look, isSo) {
  for (let n = 0; n < 600; n++) {
    const found = await look();
    if (isSo(found)) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error("not in time");
}

async function main() {
  const state = await (await fetch(`${url}/sandbox/state`)).json();
  const compartmentId = state.compartmentId;
  const loadBalancerId = state.seed.loadBalancerId;
  const authenticationDetailsProvider = new common.ConfigFileAuthenticationDetailsProvider();
  const client = (Client) => {
    const made = new Client({ authenticationDetailsProvider });
    made.endpoint = url;
    return made;
  };
  const instances = client(ContainerInstanceClient);
  const balancers = client(LoadBalancerClient);
  const work = client(WorkRequestClient);
  const specification = (displayName) => ({
    displayName,
    compartmentId,
    availabilityDomain: state.availabilityDomain,
    shape: "CI.Standard.E4.Flex",
    shapeConfig: { ocpus: 1, memoryInGBs: 2 },
    vnics: [{ subnetId: state.subnetId }],
    containers: [{ imageUrl: "nginx:1.27", environmentVariables: { A_B: "c" } }],
    freeformTags: { Env: "tést" },
  });
  const create = (name, opcRetryToken) =>
    instances.createContainerInstance({ createContainerInstanceDetails: specification(name), opcRetryToken });
  const ofInstance = async (answer) => {
    const look = () => instances.getWorkRequest({ workRequestId: answer.opcWorkRequestId });
    const done = await until(look, (found) => ["SUCCEEDED", "FAILED"].includes(found.workRequest.status));
    assert.equal(done.workRequest.status, "SUCCEEDED");
  };
  const ofBalancer = async (answer) => {
    const look = () => balancers.getWorkRequest({ workRequestId: answer.opcWorkRequestId });
    const done = await until(look, (found) => ["SUCCEEDED", "FAILED"].includes(found.workRequest.lifecycleState));
    assert.equal(done.workRequest.lifecycleState, "SUCCEEDED", done.workRequest.message);
  };

  // Create, and create again with the same token.
  const made = [];
  for (const n of [0, 1, 2]) made.push(await create(`ts-${n}`));
  for (const one of made) await ofInstance(one);
  const first = await create("twice", "token-ts");
  const again = await create("twice", "token-ts");
  assert.equal(first.containerInstance.id, again.containerInstance.id);
  await ofInstance(first);

  // Lists page by page, with the client's own loop and with the SDK's, with filters and an order.
  const listed = [];
  let page;
  do {
    const found = await instances.listContainerInstances({ compartmentId, limit: 2, page });
    assert.ok(found.containerInstanceCollection.items.length <= 2);
    listed.push(...found.containerInstanceCollection.items);
    page = found.opcNextPage;
  } while (page);
  const names = listed.map((one) => one.displayName);
  for (const name of ["ts-0", "ts-1", "ts-2", "twice", "webserver", "bystander"]) assert.ok(names.includes(name), name);
  assert.equal(new Set(listed.map((one) => one.id)).size, listed.length);
  const sorted = await instances.listContainerInstances({ compartmentId, sortBy: "displayName", limit: 50 });
  const inOrder = sorted.containerInstanceCollection.items.map((one) => one.displayName);
  assert.deepEqual(inOrder, [...inOrder].sort());
  const named = await instances.listContainerInstances({ compartmentId, displayName: "ts-1" });
  assert.deepEqual(named.containerInstanceCollection.items.map((one) => one.displayName), ["ts-1"]);
  const policies = [];
  for await (const one of balancers.listAllPolicies({ compartmentId, limit: 1 })) policies.push(one.name);
  assert.deepEqual(policies, ["ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH"]);

  // Update, start, stop, move.
  const containerInstanceId = made[0].containerInstance.id;
  const details = { displayName: "renamed", freeformTags: { Env: "prod" } };
  await ofInstance(
    await instances.updateContainerInstance({ containerInstanceId, updateContainerInstanceDetails: details }),
  );
  const renamed = (await instances.getContainerInstance({ containerInstanceId })).containerInstance;
  assert.deepEqual([renamed.displayName, renamed.freeformTags], ["renamed", { Env: "prod" }]);
  assert.ok(renamed.timeUpdated > renamed.timeCreated);
  const containerId = renamed.containers[0].containerId;
  await ofInstance(
    await instances.updateContainer({ containerId, updateContainerDetails: { displayName: "other" } }),
  );
  assert.equal((await instances.getContainer({ containerId })).container.displayName, "other");
  await ofInstance(await instances.startContainerInstance({ containerInstanceId }));
  await ofInstance(await instances.stopContainerInstance({ containerInstanceId }));
  const stopped = (await instances.getContainerInstance({ containerInstanceId })).containerInstance;
  assert.equal(stopped.lifecycleState, "INACTIVE");
  await ofInstance(await instances.stopContainerInstance({ containerInstanceId }));

  // A backend set with backends, and a list that replaces them.
  const checker = { protocol: "HTTP", urlPath: "/", port: 0, returnCode: 200 };
  const backend = (ipAddress, port) => ({ ipAddress, port });
  await ofBalancer(await balancers.createBackendSet({
    loadBalancerId,
    createBackendSetDetails: {
      name: "ts", policy: "ROUND_ROBIN", healthChecker: checker,
      backends: [backend("10.0.0.1", 80), backend("10.0.0.2", 80)],
    },
  }));
  const ofSet = async () => {
    const { backendSet } = await balancers.getBackendSet({ loadBalancerId, backendSetName: "ts" });
    return backendSet.backends.map((one) => one.name).sort();
  };
  assert.deepEqual(await ofSet(), ["10.0.0.1:80", "10.0.0.2:80"]);
  await ofBalancer(await balancers.updateBackendSet({
    loadBalancerId, backendSetName: "ts",
    updateBackendSetDetails: {
      policy: "IP_HASH", healthChecker: checker, backends: [backend("10.0.0.2", 80), backend("10.0.0.3", 80)],
    },
  }));
  assert.deepEqual(await ofSet(), ["10.0.0.2:80", "10.0.0.3:80"]);

  // Backends: POST, PUT, DELETE, with the version.
  const place = { loadBalancerId, backendSetName: "ts" };
  await ofBalancer(await balancers.createBackend({ ...place, createBackendDetails: backend("10.0.0.4", 80) }));
  const { eTag: ifMatch } = await balancers.getLoadBalancer({ loadBalancerId });
  assert.ok(ifMatch);
  const updateBackendDetails = { weight: 3, backup: false, drain: true, offline: false };
  const backendName = "10.0.0.4:80";
  await ofBalancer(await balancers.updateBackend({ ...place, backendName, updateBackendDetails, ifMatch }));
  const drained = (await balancers.getBackend({ ...place, backendName })).backend;
  assert.deepEqual([drained.drain, drained.weight], [true, 3]);
  await refused(412, "NoEtagMatch", balancers.deleteBackend({ ...place, backendName, ifMatch }));
  await ofBalancer(await balancers.deleteBackend({ ...place, backendName }));
  await refused(404, "NotAuthorizedOrNotFound", balancers.getBackend({ ...place, backendName }));

  // Listeners, and the load balancer itself.
  const listener = (port) => ({ defaultBackendSetName: "ts", port, protocol: "HTTP" });
  await ofBalancer(await balancers.createListener({
    loadBalancerId, createListenerDetails: { name: "ts", ...listener(8081) },
  }));
  await ofBalancer(await balancers.updateListener({
    loadBalancerId, listenerName: "ts", updateListenerDetails: listener(8082),
  }));
  await ofBalancer(await balancers.updateLoadBalancer({
    loadBalancerId, updateLoadBalancerDetails: { displayName: "renamed" },
  }));
  const balancer = (await balancers.getLoadBalancer({ loadBalancerId })).loadBalancer;
  assert.deepEqual([balancer.displayName, balancer.listeners.ts.port], ["renamed", 8082]);
  await ofBalancer(await balancers.deleteListener({ loadBalancerId, listenerName: "ts" }));
  await ofBalancer(await balancers.deleteBackendSet({ loadBalancerId, backendSetName: "ts" }));

  // Unknown words are refused, and things that do not exist are not found.
  const set = (policy, protocol) => balancers.createBackendSet({
    loadBalancerId, createBackendSetDetails: { name: "wrong", policy, healthChecker: { ...checker, protocol } },
  });
  await refused(400, "InvalidParameter", set("RANDOM", "HTTP"));
  await refused(400, "InvalidParameter", set("ROUND_ROBIN", "FTP"));
  // The general service does not have these work requests.
  await refused(404, "NotFound", work.getWorkRequest({ workRequestId: first.opcWorkRequestId }));

  for (const one of [...made, first]) {
    const containerInstanceId = one.containerInstance.id;
    await ofInstance(await instances.deleteContainerInstance({ containerInstanceId }));
  }
  await refused(409, "InvalidatedRetryToken", create("twice", "token-ts"));
  console.log("ok");
}

// The SDK's circuit breakers would keep the process alive.
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
