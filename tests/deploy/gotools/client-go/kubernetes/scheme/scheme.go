// Package scheme stands in for Kubernetes' own: see ../../../go.mod. `.Capabilities.APIVersions` has what a
// suite says, and nothing besides.
package scheme

import "k8s.io/apimachinery/pkg/runtime"

// Scheme knows no kinds.
var Scheme = runtime.NewScheme()

// AddToScheme adds none.
func AddToScheme(*runtime.Scheme) error { return nil }
