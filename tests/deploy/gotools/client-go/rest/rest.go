// Package rest stands in for Kubernetes' own: see ../../go.mod.
package rest

// Config is where a cluster would be.
type Config struct{}
