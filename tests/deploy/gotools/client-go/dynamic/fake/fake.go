// Package fake stands in for Kubernetes' own: see ../../../go.mod.
package fake

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
)

// NewSimpleDynamicClient is what a suite with `kubernetesProvider` would ask for.
func NewSimpleDynamicClient(*runtime.Scheme, ...runtime.Object) dynamic.Interface {
	panic("kubernetesProvider is not built in: see tests/deploy/gotools/go.mod")
}
