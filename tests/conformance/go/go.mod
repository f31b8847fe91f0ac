module conformance

go 1.22

require github.com/oracle/oci-go-sdk/v65 v65.130.0
