// Package device is a sync client.
package device
