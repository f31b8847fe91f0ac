// The official Go SDK against the sandbox, unchanged. Usage: conform URL, with HOME holding .oci/config.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerinstances"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func expect(isSo bool, what string, seen any) {
	if !isSo {
		must(fmt.Errorf("expected %s, saw %v", what, seen))
	}
}

func refused(err error, status int, code string) {
	failure, ok := common.IsServiceError(err)
	expect(ok && failure.GetHTTPStatusCode() == status && failure.GetCode() == code, code, err)
}

// until checks every 50 ms, for up to half a minute.
func until(what string, isSo func() bool) {
	for n := 0; n < 600; n++ {
		if isSo() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(fmt.Errorf("not in time: %s", what))
}

func main() {
	ctx, url := context.Background(), os.Args[1]
	var state struct {
		CompartmentID      string            `json:"compartmentId"`
		SubnetID           string            `json:"subnetId"`
		AvailabilityDomain string            `json:"availabilityDomain"`
		Seed               map[string]string `json:"seed"`
	}
	answer, err := http.Get(url + "/sandbox/state")
	must(err)
	must(json.NewDecoder(answer.Body).Decode(&state))
	provider := common.DefaultConfigProvider()
	instances, err := containerinstances.NewContainerInstanceClientWithConfigurationProvider(provider)
	must(err)
	balancers, err := loadbalancer.NewLoadBalancerClientWithConfigurationProvider(provider)
	must(err)
	instances.Host, balancers.Host = url, url

	ofInstance := func(id *string) {
		until("the work on an instance", func() bool {
			work, err := instances.GetWorkRequest(ctx, containerinstances.GetWorkRequestRequest{WorkRequestId: id})
			must(err)
			return string(work.Status) == "SUCCEEDED"
		})
	}
	var made []*string
	for n := 0; n < 3; n++ {
		created, err := instances.CreateContainerInstance(ctx, containerinstances.CreateContainerInstanceRequest{
			CreateContainerInstanceDetails: containerinstances.CreateContainerInstanceDetails{
				DisplayName:        common.String(fmt.Sprintf("go-%d", n)),
				CompartmentId:      common.String(state.CompartmentID),
				AvailabilityDomain: common.String(state.AvailabilityDomain),
				Shape:              common.String("CI.Standard.E4.Flex"),
				ShapeConfig: &containerinstances.CreateContainerInstanceShapeConfigDetails{
					Ocpus: common.Float32(1), MemoryInGBs: common.Float32(2),
				},
				Containers: []containerinstances.CreateContainerDetails{{ImageUrl: common.String("nginx:1.27")}},
				Vnics:      []containerinstances.CreateContainerVnicDetails{{SubnetId: common.String(state.SubnetID)}},
			},
		})
		must(err)
		ofInstance(created.OpcWorkRequestId)
		made = append(made, created.Id)
	}

	// Lists, page by page.
	names := map[string]bool{}
	list := containerinstances.ListContainerInstancesRequest{
		CompartmentId: common.String(state.CompartmentID), Limit: common.Int(2),
	}
	for {
		page, err := instances.ListContainerInstances(ctx, list)
		must(err)
		for _, one := range page.Items {
			names[*one.DisplayName] = true
		}
		if list.Page = page.OpcNextPage; list.Page == nil {
			break
		}
	}
	expect(names["go-0"] && names["go-2"] && names["webserver"], "every page", names)

	// Backends: POST, PUT, DELETE, each waited for.
	balancer, set := common.String(state.Seed["loadBalancerId"]), common.String("admin")
	ofBalancer := func(id *string) {
		until("the work on the load balancer", func() bool {
			work, err := balancers.GetWorkRequest(ctx, loadbalancer.GetWorkRequestRequest{WorkRequestId: id})
			must(err)
			return string(work.LifecycleState) == "SUCCEEDED"
		})
	}
	created, err := balancers.CreateBackend(ctx, loadbalancer.CreateBackendRequest{
		LoadBalancerId: balancer, BackendSetName: set,
		CreateBackendDetails: loadbalancer.CreateBackendDetails{
			IpAddress: common.String("10.0.0.1"), Port: common.Int(80),
		},
	})
	must(err)
	ofBalancer(created.OpcWorkRequestId)
	name := common.String("10.0.0.1:80")
	updated, err := balancers.UpdateBackend(ctx, loadbalancer.UpdateBackendRequest{
		LoadBalancerId: balancer, BackendSetName: set, BackendName: name,
		UpdateBackendDetails: loadbalancer.UpdateBackendDetails{
			Weight: common.Int(3), Backup: common.Bool(false), Drain: common.Bool(true), Offline: common.Bool(false),
		},
	})
	must(err)
	ofBalancer(updated.OpcWorkRequestId)
	get := loadbalancer.GetBackendRequest{LoadBalancerId: balancer, BackendSetName: set, BackendName: name}
	seen, err := balancers.GetBackend(ctx, get)
	must(err)
	expect(*seen.Drain && *seen.Weight == 3, "a drained backend", seen.Backend)
	deleted, err := balancers.DeleteBackend(ctx, loadbalancer.DeleteBackendRequest{
		LoadBalancerId: balancer, BackendSetName: set, BackendName: name,
	})
	must(err)
	ofBalancer(deleted.OpcWorkRequestId)
	_, err = balancers.GetBackend(ctx, get)
	refused(err, 404, "NotAuthorizedOrNotFound")

	for _, id := range made {
		gone, err := instances.DeleteContainerInstance(ctx, containerinstances.DeleteContainerInstanceRequest{
			ContainerInstanceId: id,
		})
		must(err)
		ofInstance(gone.OpcWorkRequestId)
	}
	fmt.Println("ok")
}
