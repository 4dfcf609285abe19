async def test_x(sidecars, connect, workspace, redis_store):
    from sidecar.v1 import learning_pb2 as pb
    one = sidecars()
    r = await connect(one.address).Recommend(pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")]))
    print(r, one.log)
    assert 0
