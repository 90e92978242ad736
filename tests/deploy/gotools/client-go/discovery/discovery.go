// Package discovery stands in for Kubernetes' own: see ../../go.mod.
package discovery

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

var errNoCluster = errors.New("there is no cluster in unit tests")

// Client is never made.
type Client struct{}

// NewDiscoveryClientForConfig always fails.
func NewDiscoveryClientForConfig(*rest.Config) (*Client, error) { return nil, errNoCluster }

// ServerResourcesForGroupVersion always fails.
func (*Client) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	return nil, errNoCluster
}
