#!/bin/sh
# Makes the secrets that docker-compose.yml asks for, in a folder that only its owner may enter.
# What is there stays as it is, so that it can be run again after an update.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }  # BYTES, each as two characters
secret() {  # NAME [VALUE]: without a value, 40 random characters
  [ -s "$folder/$1" ] && return
  printf '%s' "${2-$(random 20)}" > "$folder/$1"
  echo "made $folder/$1"
}
of() { cat "$folder/$1"; }

secret secret_key "$(random 32)"  # Django asks for 50 characters
secret postgres_password
secret redis_password
secret objects_root_password
secret objects_library_password
secret objects_index_password
secret milvus_root_password
secret metrics_token
secret grafana_password
secret database_url "postgres://atelier:$(of postgres_password)@postgres:5432/atelier"
secret redis_url "redis://:$(of redis_password)@redis:6379/0"
secret milvus_token "root:$(of milvus_root_password)"
# The folder is closed, so that nobody else on this machine reads them; each container sees only the files that
# are mounted into it, and reads them as whichever user it runs.
chmod 700 "$folder" && chmod 444 "$folder"/*
