#!/bin/sh
# Buckets of the object store, and one account for each that reaches nothing else. May run again and again.
set -eu
of() { cat "/run/secrets/$1"; }

# By the environment, for arguments are seen by everybody on the machine.
MC_HOST_store="http://root:$(of objects_root_password)@objects:9000"
export MC_HOST_store
account() {  # NAME BUCKET PASSWORD
  mc mb --ignore-existing "store/$2"
  cat > /tmp/policy.json <<POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
   "Resource": ["arn:aws:s3:::$2"]},
  {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
   "s3:ListMultipartUploadParts"], "Resource": ["arn:aws:s3:::$2/*"]}]}
POLICY
  mc admin policy create store "$2-only" /tmp/policy.json
  mc admin user add store "$1" "$3"
  mc admin policy attach store "$2-only" --user "$1"
}
account library atelier "$(of objects_library_password)"
account index milvus "$(of objects_index_password)"
# What was overwritten or deleted by mistake can be had back for 30 days, but no person's picture, nor what was made
# of it: there, deleted is gone.
mc version enable --excluded-prefixes "people/*,try-ons/*,answers/*" store/atelier
# Each `add` would be one rule more. What else than the lack of a rule keeps `ls` from its answer, `add` tells.
mc ilm rule ls store/atelier >/dev/null 2>&1 \
  || mc ilm rule add --noncurrent-expire-days 30 --expire-delete-marker store/atelier
