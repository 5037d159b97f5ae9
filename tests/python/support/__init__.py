"""What tests share: data, servers, copies of the project, and how commands are run."""
